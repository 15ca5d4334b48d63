import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.smtp.reply_reader import KEPT_MAX, LINE_MAX, LINES_MAX, BadReply, Reply, ReplyReader, local_reply, printable


def read(octets: bytes) -> list[Reply]:
    return ReplyReader().receive(octets)


def test_a_reply_of_one_line_has_its_code_its_enhanced_code_and_its_text():
    (reply,) = read(b"550 5.1.1 no such user\r\n")
    assert (reply.code, reply.enhanced, reply.text) == (550, "5.1.1", "no such user")
    assert reply.permanent and not reply.positive and not reply.ours


def test_a_reply_of_several_lines_is_one_reply():
    (reply,) = read(b"250-sink.test\r\n250-SIZE 100\r\n250 DSN\r\n")
    assert reply.lines == ("sink.test", "SIZE 100", "DSN")


def test_the_enhanced_code_is_taken_off_every_line_that_has_it():
    (reply,) = read(b"550-5.7.1 first\r\n550 5.7.1 second\r\n")
    assert reply.text == "first second"


def test_an_enhanced_code_of_another_class_is_only_text():
    (reply,) = read(b"550 4.2.1 odd\r\n")
    assert (reply.enhanced, reply.text) == ("", "4.2.1 odd")


def test_a_code_without_text_is_a_reply():
    assert read(b"250\r\n")[0].text == ""


def test_replies_may_come_in_any_pieces():
    octets = b"250-a\r\n250 b\r\n354 go\r\n550 5.0.0 no\r\n"
    whole = read(octets)
    for cut in range(len(octets)):
        reader = ReplyReader()
        assert reader.receive(octets[:cut]) + reader.receive(octets[cut:]) == whole
        assert reader.idle


def test_half_a_reply_is_not_idle():
    reader = ReplyReader()
    reader.receive(b"250-a\r\n")
    assert not reader.idle
    reader = ReplyReader()
    reader.receive(b"25")
    assert not reader.idle


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"25 short\r\n",
        b"199 code\r\n",
        b"600 code\r\n",
        b"2500 code\r\n",
        b"\r\n",
        b"250-a\r\n251 b\r\n",
        b"\xff\xfe\xfd\r\n",
        b"x" * (LINE_MAX + 1),
        b"250 " + b"x" * LINE_MAX + b"\r\n",
        b"250-x\r\n" * (LINES_MAX + 1),
        (b"250-" + b"x" * 1000 + b"\r\n") * 99,
    ],
)
def test_what_is_no_reply_or_too_much_ends_the_conversation(octets):
    with pytest.raises(BadReply):
        read(octets)


def test_a_line_without_end_is_never_kept_whole():
    reader = ReplyReader()
    with pytest.raises(BadReply):
        for _ in range(100):
            reader.receive(b"2" * 100)


def test_the_remotes_words_are_kept_short_and_printable():
    (reply,) = read(b"550 a\x1b[31m\x00\x07\xff" + b"y" * 1000 + b"\r\n")
    assert reply.text.isprintable()
    assert len(reply.text) <= KEPT_MAX + 20
    assert "\x1b" not in printable(b"\x1b\r\n")


def test_utf_8_words_stay():
    assert read("550 5.1.1 Straße\r\n".encode())[0].text == "Straße"


def test_our_own_words_are_marked_as_ours():
    reply = local_reply(451, "4.4.1", "nobody home")
    assert reply.ours and reply.enhanced == "4.4.1" and reply.text == "nobody home"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_octets_give_replies_or_bad_reply_and_nothing_else(pieces):
    reader = ReplyReader()
    try:
        for piece in pieces:
            for reply in reader.receive(piece):
                assert 200 <= reply.code < 600
                assert all(line.isprintable() for line in reply.lines)
    except BadReply:
        pass
