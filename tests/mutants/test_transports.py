"""The bugs that the tests of the transports must notice."""

from pathlib import Path

import pytest

from tests.mutants.mutating import Mutant

RETRIES, TOKENS = "tests/promises/test_retries.py", "tests/promises/test_tokens.py"
HOSTS, SILENCE = "tests/promises/test_hosts.py", "tests/promises/test_silence.py"
LIMITS, SHARED_LIMITS = "tests/integrations/test_limits.py", "tests/promises/test_shared_limits.py"

MUTANTS = [
    Mutant(
        "P22",
        "integrations/limits.py",
        "    if max(waits, default=0.0) > 0:\n",
        "    if False:\n",
        f"{SHARED_LIMITS}::test_two_processes_stay_under_a_portals_limit_and_use_it",
    ),
    Mutant(
        "P22",
        "integrations/limits.py",
        "last: float = answered if answered is not None else taken + ARRIVAL_S",
        "last: float = taken",
        f"{LIMITS}::test_a_request_counts_from_its_turn_until_a_window_after_its_answer",
    ),
    Mutant(
        "P22",
        "integrations/limits.py",
        "else taken + ARRIVAL_S",
        "else taken + 1e9",
        f"{LIMITS}::test_a_request_whose_process_died_keeps_its_place_only_until_it_must_have_arrived",
    ),
    Mutant(
        "P22",
        "models/shared.py",
        'db.execute("BEGIN IMMEDIATE")',
        'db.execute("BEGIN DEFERRED")',
        "tests/models/test_shared.py",
    ),
    Mutant(
        "P22",
        "models/shared.py",
        ".with_for_update()",
        "",
        "tests/models/test_shared.py",
    ),
    Mutant(
        "P22",
        "integrations/limits.py",
        "        return blocked if blocked > 0 else step(state, now)",
        "        return step(state, now)",
        f"{RETRIES}::test_no_process_asks_while_the_crm_wants_a_pause",
    ),
    Mutant(
        "P22",
        "integrations/limits.py",
        "        share_pct = 100 if is_write else self._share_pct",
        "        share_pct = 100",
        f"{RETRIES}::test_reading_stops_at_ninety_percent_of_the_day_and_writing_goes_on",
    ),
    Mutant(
        "P22",
        "integrations/limits.py",
        "            return POLL_S\n        flying",
        "            pass\n        flying",
        f"{RETRIES}::test_the_salesforce_cap_holds_over_processes",
    ),
    Mutant(
        "P23",
        "integrations/transport.py",
        "if verdict is Verdict.UNSURE and not request.is_repeatable:",
        "if False:",
        f"{RETRIES}::test_each_answer_is_tried_as_often_as_can_help",
    ),
    Mutant(
        "P23",
        "integrations/transport.py",
        "self.draw() * ceiling",
        "ceiling",
        f"{RETRIES}::test_waits_are_drawn_from_the_whole_range_below_a_doubling_ceiling",
    ),
    Mutant(
        "P23",
        "integrations/transport.py",
        "        spent += tried.seconds\n",
        "",
        f"{RETRIES}::test_no_try_starts_after_two_minutes_however_slow_each_is",
    ),
    Mutant(
        "P23",
        "integrations/transport.py",
        "    if asked.isdigit():\n        return float(asked)\n",
        "    return float(asked) if asked.isdigit() else None\n",
        f"{RETRIES}::test_retry_after_is_read_as_seconds_and_as_a_date_by_the_answers_own_clock",
    ),
    Mutant(
        "P24",
        "integrations/tokens.py",
        "            if self._token is not None and self._token != refused:",
        "            if False:",
        f"{TOKENS}::test_sixteen_threads_whose_token_expires_sign_in_once_and_lose_nothing",
    ),
    Mutant(
        "P24",
        "integrations/tokens.py",
        "                self._refusal = str(error)\n",
        "",
        f"{TOKENS}::test_credentials_that_are_refused_are_tried_once_for_all_threads",
    ),
    Mutant(
        "P24",
        "integrations/salesforce/signin.py",
        "            kept.replace(successor)",
        "            pass",
        f"{TOKENS}::test_a_rotated_token_is_kept_before_the_access_token_is_used",
    ),
    Mutant(
        "P24",
        "integrations/hubspot/wire.py",
        "                self.refresh_token.replace(successor)",
        "                pass",
        f"{TOKENS}::test_a_rotated_token_is_kept_before_the_access_token_is_used",
    ),
    Mutant(
        "pool",
        "integrations/hubspot/wire.py",
        "self._pool.connection_pool_kw.update(maxsize=config.connections, block=True)",
        "self._places = threading.BoundedSemaphore(100)",
        f"{RETRIES}::test_threads_share_a_pool_that_never_grows",
    ),
    Mutant(
        "P41",
        "integrations/hubspot/wire.py",
        '    return " ".join(codes) + (f" ({\', \'.join(names)})" if names else "")',
        "    return plain",
        f"{SILENCE}::test_nothing_is_told_whatever_goes_wrong",
    ),
    Mutant(
        "P41",
        "integrations/salesforce/wire.py",
        'message = str(error.get("message") or "") if code in HARMLESS_MESSAGES else ""',
        'message = str(error.get("message") or "")',
        f"{SILENCE}::test_nothing_is_told_whatever_goes_wrong",
    ),
    Mutant(
        "P41",
        "integrations/hosts.py",
        '    host = urlsplit(location or "").hostname\n    return f"a redirect to {_shown(host)}',
        '    host = location\n    return f"a redirect to {host}',
        f"{SILENCE}::test_nothing_is_told_whatever_goes_wrong",
    ),
    Mutant(
        "P42",
        "integrations/hosts.py",
        "(parts.scheme, parts.netloc) != (own.scheme, own.netloc)",
        "False",
        f"{HOSTS}::test_a_link_off_the_host_is_refused",
    ),
    Mutant(
        "P42",
        "integrations/salesforce/wire.py",
        "                allow_redirects=False,",
        "                allow_redirects=True,",
        f"{HOSTS}::test_no_redirect_is_followed",
    ),
    Mutant(
        "P42",
        "integrations/hubspot/wire.py",
        "                retries=False,\n                redirect=False,",
        "                retries=1,",
        f"{HOSTS}::test_no_redirect_is_followed",
    ),
    Mutant(
        "P42",
        "integrations/salesforce/wire.py",
        "            check_instance(self._config, answer)",
        "            pass",
        f"{HOSTS}::test_a_sign_in_that_names_a_foreign_instance_is_refused_and_its_token_unused",
    ),
    Mutant(
        "P42",
        "integrations/mapping.py",
        'host.endswith(f".{domain}")',
        "host.endswith(domain)",
        f"{HOSTS}::test_settings_may_not_name_a_strangers_host",
    ),
]


def test_every_mutant_still_fits() -> None:
    assert [str(mutant) for mutant in MUTANTS if not mutant.fits()] == []


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_no_mutant_survives(mutant: Mutant, tmp_path: Path) -> None:
    assert not mutant.survives(tmp_path)
