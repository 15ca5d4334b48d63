from mail.store.engine import Store
from mail.store.invariants import RULES, FUNCTIONS
from sqlalchemy import text
def test_x(store: Store) -> None:
    with store.read() as c:
        for rule in RULES:
            assert not c.execute(text(rule.statement)).all()
        for f in FUNCTIONS: assert not list(f(c))
