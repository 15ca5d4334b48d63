from dataclasses import fields

import click
from click.testing import CliRunner

from app.cli.account_options import LIMIT_WORDS, RULE_WORDS, limit_options, rule_options
from mail.accounts.send_limits import SendLimits
from mail.policy.account_rules import AccountRules


def test_every_rule_and_limit_of_an_account_is_an_option_with_its_words() -> None:
    assert list(RULE_WORDS) == [one.name for one in fields(AccountRules)]
    assert list(LIMIT_WORDS) == [one.name for one in fields(SendLimits)]

    @click.command()
    @limit_options
    @rule_options
    def command(**given: object) -> None:
        click.echo(sorted(name for name, value in given.items() if value is not None))

    flags = ["--max-outgoing-messages-per-day", "4", "--no-junk-filter"]
    run = CliRunner().invoke(command, flags)
    assert run.output.strip() == "['junk_filter', 'max_outgoing_messages_per_day']"
    assert CliRunner().invoke(command, ["--max-outgoing-messages-per-day", "-1"]).exit_code == 2
