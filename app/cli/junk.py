"""mailctl junk: how good the junk filter is."""

from pathlib import Path

import click

from app.cli import junk_decisions, junk_store
from app.cli.context import print_json
from mail.errors import Invalid
from mail.junk import evaluate
from mail.junk.classify import DEFAULT, SIGNIFICANT_HAMS, Parameters
from mail.junk.words import message_numbers

SOURCE = click.Path(path_type=Path, exists=True)


@click.group()
def junk() -> None:
    """The junk filter."""


@junk.command("eval")
@click.option("--ham", type=SOURCE, required=True, help="Wanted messages to learn: a folder, or an mbox file.")
@click.option("--spam", type=SOURCE, required=True, help="Junk to learn.")
@click.option("--judge-ham", type=SOURCE, required=True, help="Wanted messages to judge.")
@click.option("--judge-spam", type=SOURCE, required=True, help="Junk to judge.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=DEFAULT.threshold,
    show_default=True,
    help="A probability above it is junk.",
)
@click.option("--json", "as_json", is_flag=True, help="It is JSON in any case.")
def eval_filter(ham: Path, spam: Path, judge_ham: Path, judge_spam: Path, threshold: float, as_json: bool) -> None:
    """Train a filter in memory, let it judge other messages, print the counts and rates. Touches no account."""
    learnt = evaluate.learn(_numbers(ham), _numbers(spam))
    found = evaluate.rates(learnt, _numbers(judge_ham), _numbers(judge_spam), Parameters(threshold=threshold))
    print_json(
        {
            "threshold": found.threshold,
            "significant": found.trained_ham >= SIGNIFICANT_HAMS,
            "trained_ham": found.trained_ham,
            "trained_spam": found.trained_spam,
            "judged_ham": found.judged_ham,
            "judged_spam": found.judged_spam,
            "ham_wrong": found.ham_wrong,
            "spam_found": found.spam_found,
            "ham_wrong_rate": round(found.ham_wrong_rate, 6),
            "spam_found_rate": round(found.spam_found_rate, 6),
        }
    )


def _numbers(source: Path) -> list[evaluate.Numbers]:
    found = [evaluate.numbers(octets) for octets in evaluate.messages(source)]
    if not found:
        raise Invalid(public=f"there are no messages in {source}: give a folder with one message a file, or an mbox")
    return found


for command in (*junk_store.commands(message_numbers), junk_decisions.explain, junk_decisions.whatif):
    junk.add_command(command)
