"""mailctl junk retrain, status: the counts the junk filter goes by. Commands for the group `junk`."""

import click

from app.cli.context import Context, json_option, pass_context, show, table
from mail.store import accounts, junk_words, training
from mail.store.accounts import AccountRow
from mail.store.retrain import Retrained, retrain
from mail.store.training import Hashes


def commands(hashes: Hashes) -> tuple[click.Command, ...]:
    """`hashes` finds the words of a message, as the filter does."""

    @click.command("retrain")
    @click.argument("name", metavar="ACCOUNT", required=False)
    @json_option
    @pass_context
    def retrain_command(context: Context, name: str | None, as_json: bool) -> None:
        """Count the words of all classified messages anew, of one account or of all. The filter works on meanwhile."""
        rows = _accounts(context, name)
        results = []
        for row in rows:
            result = _retrain(context, row, hashes, quiet=as_json)
            results.append({"account": row.name, **result.totals._asdict(), "words": result.words})
            if result.unreadable:
                click.echo(
                    f"account {row.name}: {len(result.unreadable)} messages cannot be read: mailctl verify", err=True
                )
        heads = ("account", "hams", "spams", "words")
        show(results, as_json, table(heads, [tuple(one.values()) for one in results]))

    return retrain_command, status


def _accounts(context: Context, name: str | None) -> list[AccountRow]:
    with context.store.read() as connection:
        return [accounts.find_account(connection, name)] if name else accounts.list_accounts(connection)


def _retrain(context: Context, row: AccountRow, hashes: Hashes, *, quiet: bool) -> Retrained:
    """Progress goes to standard error, so that what is printed stays clean."""

    def progress(done: int, of: int) -> None:
        if not quiet and of > training.CONTENTS_AT_ONCE:
            click.echo(f"account {row.name}: {done} of {of} messages", err=True)

    return retrain(context.store, context.blobs, row.id, hashes, progress)


@click.command()
@click.argument("name", metavar="ACCOUNT")
@json_option
@pass_context
def status(context: Context, name: str, as_json: bool) -> None:
    """What the junk filter of an account has learnt, and how many messages wait to be learnt."""
    with context.store.read() as connection:
        row = accounts.find_account(connection, name)
        totals = junk_words.totals(connection, row.id)
        value = {
            "account": row.name,
            **totals._asdict(),
            "words": junk_words.word_count(connection, row.id),
            "pending": training.pending_count(connection, row.id),
        }
    show(value, as_json, [f"{title:10} {found}" for title, found in value.items()])
