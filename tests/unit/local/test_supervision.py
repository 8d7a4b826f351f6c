from local.supervision import next_wait_s


def test_waits_double_from_half_a_second_up_to_thirty() -> None:
    waits = [0.0]
    for _ in range(9):
        waits.append(next_wait_s(waits[-1], alive_s=1))
    assert waits[1:] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_alive_makes_the_next_wait_short_again() -> None:
    assert next_wait_s(30, alive_s=59.9) == 30
    assert next_wait_s(30, alive_s=60) == 0.5
