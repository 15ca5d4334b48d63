from mail.store.engine import Store
def test_x(store: Store) -> None:
    with store.write() as c:
        c.exec_driver_sql("select 1")
def test_y(store: Store) -> None:
    with store.write() as c:
        c.exec_driver_sql("select 1")
