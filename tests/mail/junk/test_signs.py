"""Signs in header, structure and links."""

from mail.junk.signs import domain_of, header_signs, link_signs, organization, shouted, structure_signs
from mail.message.scan import scan


def signs(header: bytes) -> list[str]:
    return list(header_signs(scan(header.replace(b"\n", b"\r\n") + b"\r\n\r\n").root))


def test_words_of_the_named_fields_carry_their_field():
    found = signs(b"Subject: Cheap watches\nFrom: Ann Example <ann@shop.example>\nTo: list@lists.example")
    assert {"Subject:cheap", "Subject:watches", "From:shop", "To:lists"} <= set(found)
    assert "From:ann" not in found, "a header word has four characters"


def test_encoded_words_are_decoded():
    assert "Subject:günstig" in signs(b"Subject: =?utf-8?q?G=C3=BCnstig?=")


def test_fields_are_signs_unless_a_delivery_writes_them():
    found = signs(b"List-Id: x\nReturn-Path: <spam@z.example>\nReceived: by a\nX-Mailstead-Junk: 1\nDelivered-To: b")
    assert "has:list-id" in found
    assert not [one for one in found if "return-path" in one or "received" in one or "mailstead" in one]


def test_the_subject_tells_replies_and_shouting():
    assert {"subject:reply", "subject:?"} <= set(signs(b"Subject: Re[2]: what now?"))
    assert {"subject:capitals5", "subject:!", "subject:$"} <= set(signs(b"Subject: MAKE $$$ NOW!"))
    assert "subject:tail" in signs(b"Subject: hello there          xk17")


def test_the_sender_is_compared_with_its_other_names():
    found = signs(b"From: a@mail.shop.example\nMessage-ID: <1@shop.example>\nReply-To: x@other.example")
    assert {"from:mail.shop.example", "from:.example", "from:bare", "message-id:near", "reply-to:other"} <= set(found)
    assert {"message-id:none", "reply-to:none"} <= set(signs(b"From: a@b.example"))


def test_the_shape_of_the_message_id_and_the_mailer_are_signs():
    found = signs(b"Message-ID: <20020901.AB12x@b.example>\nX-Mailer: Bulk Mailer 2000")
    assert {"message-id:<9.A9a", "mailer:bulk", "mailer:mailer"} <= set(found)
    assert "mailer:none" in signs(b"Subject: x")


def test_recipients_are_counted_and_hiding_them_is_a_sign():
    assert "to:2" in signs(b"To: a@b.example\nCc: c@d.example")
    assert "to:hidden" in signs(b"To: undisclosed-recipients:;")


def test_domains_compare_by_their_registered_part():
    assert domain_of("A <a@Mail.Example.CO.UK>") == "mail.example.co.uk" and domain_of("nobody") == ""
    assert organization("mail.example.co.uk") == "example.co.uk" and organization("a.b.example.org") == "example.org"


def test_types_charsets_and_kinds_of_text_are_signs():
    octets = (
        b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: text/plain; charset=GB2312\r\n\r\na\r\n--x\r\nContent-Type: text/html\r\n\r\nb\r\n--x--\r\n"
    )
    found = list(structure_signs(scan(octets).parts()))
    assert found == [
        "type:multipart/alternative",
        "type:text/plain",
        "charset:gb2312",
        "type:text/html",
        "text:both",
    ]


def test_shouted_words_are_signs():
    assert list(shouted(["FREE", "USA", "Free", "MP3S", "XKCDQWRTZ"])) == ["^free"]


def test_hosts_of_links_are_cut_into_words_and_odd_ones_named():
    text = "see http://www.cheap-pills.example:81/buy and WWW.Other.example or http://3.4.5.6/x http://a%20b.example/"
    found = list(link_signs(text, ["https://user@shop.example/"]))
    assert {"url:cheap", "url:pills", "url:other", "url:shop", "url:user", "url:port", "url:address"} <= set(found)
    assert "url:percent" in found and "url:buy" not in found
