from mail.runtime.jobs import JOBS


def test_a_lost_wake_up_of_delivery_costs_seconds():
    assert JOBS["deliver"].every_seconds <= 10


def test_functions_are_named_as_module_and_name():
    for job in JOBS.values():
        module, _, name = job.function.partition(":")
        assert module.startswith("workers.") and name.isidentifier()
