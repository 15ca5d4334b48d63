"""From a command's name to its grammar and its doing. When it may come is in `mail/imap/command_table.py`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from listeners.imap.commands import (
    append,
    authenticate,
    capability,
    check,
    close,
    copy,
    create,
    delete,
    enable,
    examine,
    expunge,
    fetch,
    getquota,
    getquotaroot,
    id,
    idle,
    list,
    login,
    logout,
    lsub,
    move,
    namespace,
    noop,
    rename,
    search,
    select,
    starttls,
    status,
    store,
    subscribe,
    unselect,
    unsubscribe,
)
from listeners.imap.session import Session
from mail.imap.commands import append as append_grammar
from mail.imap.commands import authenticate as authenticate_grammar
from mail.imap.commands import bare
from mail.imap.commands import copy as copy_grammar
from mail.imap.commands import create as create_grammar
from mail.imap.commands import enable as enable_grammar
from mail.imap.commands import expunge as expunge_grammar
from mail.imap.commands import fetch as fetch_grammar
from mail.imap.commands import getquota as getquota_grammar
from mail.imap.commands import id as id_grammar
from mail.imap.commands import list as list_grammar
from mail.imap.commands import login as login_grammar
from mail.imap.commands import lsub as lsub_grammar
from mail.imap.commands import mailbox as mailbox_grammar
from mail.imap.commands import rename as rename_grammar
from mail.imap.commands import search as search_grammar
from mail.imap.commands import select as select_grammar
from mail.imap.commands import status as status_grammar
from mail.imap.commands import store as store_grammar
from mail.imap.grammar import Cursor
from mail.imap.responses import Reply


@dataclass(frozen=True, slots=True)
class Route:
    parse: Callable[[Cursor, bool], Any]
    run: Callable[[Session, Any], Awaitable[Reply | None]]


ROUTES: dict[str, Route] = {
    "CAPABILITY": Route(bare.parse, capability.run),
    "NOOP": Route(bare.parse, noop.run),
    "LOGOUT": Route(bare.parse, logout.run),
    "ID": Route(id_grammar.parse, id.run),
    "STARTTLS": Route(bare.parse, starttls.run),
    "AUTHENTICATE": Route(authenticate_grammar.parse, authenticate.run),
    "LOGIN": Route(login_grammar.parse, login.run),
    "ENABLE": Route(enable_grammar.parse, enable.run),
    "SELECT": Route(select_grammar.parse, select.run),
    "EXAMINE": Route(select_grammar.parse, examine.run),
    "CREATE": Route(create_grammar.parse, create.run),
    "DELETE": Route(mailbox_grammar.parse, delete.run),
    "RENAME": Route(rename_grammar.parse, rename.run),
    "SUBSCRIBE": Route(mailbox_grammar.parse, subscribe.run),
    "UNSUBSCRIBE": Route(mailbox_grammar.parse, unsubscribe.run),
    "LIST": Route(list_grammar.parse, list.run),
    "LSUB": Route(lsub_grammar.parse, lsub.run),
    "NAMESPACE": Route(bare.parse, namespace.run),
    "STATUS": Route(status_grammar.parse, status.run),
    "GETQUOTA": Route(getquota_grammar.parse, getquota.run),
    "GETQUOTAROOT": Route(mailbox_grammar.parse, getquotaroot.run),
    "APPEND": Route(append_grammar.parse, append.run),
    "IDLE": Route(bare.parse, idle.run),
    "CHECK": Route(bare.parse, check.run),
    "CLOSE": Route(bare.parse, close.run),
    "UNSELECT": Route(bare.parse, unselect.run),
    "EXPUNGE": Route(expunge_grammar.parse, expunge.run),
    "UID EXPUNGE": Route(expunge_grammar.parse, expunge.run),
    "FETCH": Route(fetch_grammar.parse, fetch.run),
    "UID FETCH": Route(fetch_grammar.parse, fetch.run),
    "SEARCH": Route(search_grammar.parse, search.run),
    "UID SEARCH": Route(search_grammar.parse, search.run),
    "STORE": Route(store_grammar.parse, store.run),
    "UID STORE": Route(store_grammar.parse, store.run),
    "COPY": Route(copy_grammar.parse, copy.run),
    "UID COPY": Route(copy_grammar.parse, copy.run),
    "MOVE": Route(copy_grammar.parse, move.run),
    "UID MOVE": Route(copy_grammar.parse, move.run),
}
