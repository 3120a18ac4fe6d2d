"""The own password, reset codes and the second step of signing in (登录凭据)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise

import pyotp
import pytest
from sqlmodel import Session, col, select

from models import AuditLine, Message, PastPassword, SpareCode, User
from models.enums import AuditResult, Role
from services import clock, settings
from services.accounts import credentials, passwords, sessions, totp, users
from services.actors import Actor
from services.db import Database
from services.errors import Forbidden, NotFound, Refusal, SignedOut
from services.perform import perform
from tests.conftest import SPRING, World

PASSWORD = "Nanyue-2025-gd"
NEW = "Yuexiu-2025-gz"


@pytest.fixture
def house(sqlite_db: Database, sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The small province, whose people all have the same password. Hashing is a game here, argon2 has its own test."""
    monkeypatch.setattr(passwords, "hashed", lambda password: f"kept:{password}")
    monkeypatch.setattr(passwords, "matches", lambda password, known: known == f"kept:{password}")

    def give(s: Session) -> None:
        for user in s.exec(select(User)):
            user.password_hash = f"kept:{PASSWORD}"
            s.add(user)

    sqlite_db.write(give)
    return sqlite_world


def later(**time: float) -> datetime:
    return SPRING + timedelta(**time)


def signed_in(db: Database, username: str = "filer", password: str = PASSWORD) -> Actor:
    return sessions.resolve(db, sessions.sign_in(db, username, password, "10.0.0.7").token)


def change(db: Database, user_id: int, work: Callable[[User], None]) -> None:
    def write(s: Session) -> None:
        user = s.get_one(User, user_id)
        work(user)
        s.add(user)

    db.write(write)


def lines(db: Database, action: str) -> list[AuditLine]:
    return list(db.read(lambda s: s.exec(select(AuditLine).where(AuditLine.action == action)).all()))


# --- what a password must be ------------------------------------------------------------------------------------------


def test_a_password_is_kept_as_argon2id_and_told_from_others() -> None:
    kept = passwords.hashed(PASSWORD)
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept
    assert passwords.matches(PASSWORD, kept)
    assert not passwords.matches(NEW, kept)
    assert not passwords.matches("", passwords.NOBODY)
    assert not passwords.matches(PASSWORD, "-")


def test_for_nobody_a_hash_of_the_same_cost_is_verified_and_is_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Context:
        def verify(self, password: str, known: str) -> bool:
            asked.append(known)
            return True

    monkeypatch.setattr(passwords, "_CONTEXT", Context())
    assert not passwords.matches(PASSWORD, None)
    assert asked == [passwords.NOBODY]


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short1", "太短"),
        ("Xx1-" * 33, "太长"),
        ("onlyletters", "只有小写字母"),
        ("1234567890", "只有数字"),
        ("spring2025lvce", "只有小写字母和数字"),
        ("With space 1", "空格"),
        ("Gznyjg-2025", "含有用户名"),
        ("Password2025!", "容易被猜到"),
        ("Qwer1234!@#$", "容易被猜到"),
        ("Aaaaaaaa11", "容易被猜到"),
        ("Admin@123456", "容易被猜到"),
    ],
)
def test_a_weak_password_is_refused_with_the_rule(password: str, said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        passwords.check(password, username="gznyjg")
    assert "至少 10 位" in caught.value.message
    assert "至少 3 种" in caught.value.message


def test_words_a_guesser_would_try_first_are_weak() -> None:
    passwords.check("Nanyuejinggong-2025")
    with pytest.raises(Refusal, match="容易被猜到"):
        passwords.check("Nanyuejinggong-2025", known=("nanyuejinggong",))


def test_the_other_profile_wants_length_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVCE_PASSWORD_PROFILE", "nist")
    passwords.check("三个 石匠 缓慢地 数着星星呢")
    passwords.check("slow masons count stars")
    with pytest.raises(Refusal, match="至少 15 位"):
        passwords.check(PASSWORD)
    passwords.check("kq7-mwzt", with_code=True)
    with pytest.raises(Refusal, match="至少 8 位"):
        passwords.check("kq7-mwz", with_code=True)
    with pytest.raises(Refusal, match="容易被猜到"):
        passwords.check("passwordpassword")
    assert "更换" not in passwords.profile().words()


@pytest.mark.parametrize("name", settings.PASSWORD_PROFILES)
def test_an_initial_password_keeps_the_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LVCE_PASSWORD_PROFILE", name)
    drawn = {passwords.initial() for _ in range(200)}
    assert len(drawn) == 200
    for password in drawn:
        passwords.check(password)


def test_every_profile_says_where_it_comes_from_and_which_figures_are_ours() -> None:
    rows = {row["name"]: row for row in tomllib.loads(passwords.FILE.read_text(encoding="utf-8"))["profile"]}
    assert set(rows) == set(passwords.profiles()) == set(settings.PASSWORD_PROFILES)
    for row in rows.values():
        assert row["source"]
        assert set(row["proposed"]) <= set(row)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("LVCE_PASSWORD_PROFILE", "none", "mlps2、nist"), ("LVCE_CODE_ROLES", "admin, root", "“root”")],
)
def test_a_rule_that_does_not_exist_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"{name}.*{said}"):
        settings.from_env({name: value})


# --- changing it ------------------------------------------------------------------------------------------------------


def test_a_change_of_password_keeps_this_page_and_ends_the_others(sqlite_db: Database, house: World) -> None:
    change(sqlite_db, house.filer.user_id, lambda user: setattr(user, "must_change_password", True))
    here, there = (sessions.sign_in(sqlite_db, "filer", PASSWORD).token for _ in range(2))
    actor = sessions.resolve(sqlite_db, here)
    sessions.resolve(sqlite_db, there)
    assert actor.must_change_password
    credentials.change_password(sqlite_db, actor, PASSWORD, NEW, NEW)
    assert not sessions.resolve(sqlite_db, here).must_change_password
    with pytest.raises(SignedOut):
        sessions.resolve(sqlite_db, there)
    with pytest.raises(Refusal, match="不正确"):
        sessions.sign_in(sqlite_db, "filer", PASSWORD)
    sessions.sign_in(sqlite_db, "filer", NEW)


@pytest.mark.parametrize(
    ("old", "new", "repeated", "said"),
    [
        ("Wrong-2025-pw", NEW, NEW, "原密码不正确"),
        (PASSWORD, NEW, PASSWORD, "不一致"),
        (PASSWORD, PASSWORD, PASSWORD, "不能与原密码相同"),
        (PASSWORD, "abc12", "abc12", "太短"),
        (PASSWORD, "9144011552601815X4", "9144011552601815X4", "容易被猜到|只有"),
    ],
)
def test_a_change_of_password_that_cannot_be(
    sqlite_db: Database, house: World, old: str, new: str, repeated: str, said: str
) -> None:
    with pytest.raises(Refusal, match=said):
        credentials.change_password(sqlite_db, house.filer, old, new, repeated)
    sessions.sign_in(sqlite_db, "filer", PASSWORD)


def test_guessing_the_old_password_from_an_open_page_has_to_wait(sqlite_db: Database, house: World) -> None:
    for _ in range(5):
        with pytest.raises(Refusal, match="不正确"):
            credentials.change_password(sqlite_db, house.filer, "Wrong-2025-pw", NEW, NEW)
    with pytest.raises(Refusal, match="秒后再试"):
        credentials.change_password(sqlite_db, house.filer, PASSWORD, NEW, NEW)


def test_the_last_five_passwords_do_not_come_back_and_older_ones_are_forgotten(
    sqlite_db: Database, house: World
) -> None:
    used = [PASSWORD, *(f"Yuexiu-{2031 + 7 * n}-gz" for n in range(5))]
    for old, new in pairwise(used):
        credentials.change_password(sqlite_db, house.filer, old, new, new)
    for former in used[1:-1]:
        with pytest.raises(Refusal, match="最近 5 个") as caught:
            credentials.change_password(sqlite_db, house.filer, used[-1], former, former)
        assert caught.value.field == "new"
    assert len(sqlite_db.read(lambda s: s.exec(select(PastPassword)).all())) == 4
    credentials.change_password(sqlite_db, house.filer, used[-1], PASSWORD, PASSWORD)


def test_a_password_of_ninety_days_is_changed_at_the_next_sign_in_and_not_while_one_works(
    sqlite_db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials.change_password(sqlite_db, house.filer, PASSWORD, NEW, NEW)
    with clock.frozen(later(days=89, hours=23, minutes=50)):
        token = sessions.sign_in(sqlite_db, "filer", NEW).token
    with clock.frozen(later(days=90)):
        assert not sessions.resolve(sqlite_db, token).must_change_password
        assert sqlite_db.read(credentials.safety, house.filer).password_expired
        actor = signed_in(sqlite_db, password=NEW)
        assert actor.must_change_password
        credentials.change_password(sqlite_db, actor, NEW, "Haizhu-2025-gz", "Haizhu-2025-gz")
        assert not signed_in(sqlite_db, password="Haizhu-2025-gz").must_change_password
        monkeypatch.setenv("LVCE_PASSWORD_PROFILE", "nist")
        assert not signed_in(sqlite_db, "county").must_change_password  # never changed, but nobody asks
        monkeypatch.setenv("LVCE_PASSWORD_PROFILE", "mlps2")
        change(sqlite_db, house.city.user_id, lambda user: setattr(user, "is_demo", True))
        assert not signed_in(sqlite_db, "city").must_change_password  # public anyway
        assert signed_in(sqlite_db, "county").must_change_password


# --- reset codes ------------------------------------------------------------------------------------------------------


def reset(db: Database, code: str, *, username: str = "filer", new: str = NEW, address: str = "203.0.113.9") -> None:
    credentials.reset(db, username, code, new, new, address)


def test_a_reset_code_sets_a_new_password_once_and_ends_what_was_open(sqlite_db: Database, house: World) -> None:
    open_page = sessions.sign_in(sqlite_db, "filer", PASSWORD).token
    made = perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)
    sessions.resolve(sqlite_db, open_page)  # the old password holds until the code is used
    assert made.code not in str(sqlite_db.read(lambda s: [row.model_dump() for row in s.exec(select(SpareCode))]))
    reset(sqlite_db, made.code.lower().replace("-", " "))  # as people type it
    with pytest.raises(SignedOut):
        sessions.resolve(sqlite_db, open_page)
    with pytest.raises(Refusal):
        sessions.sign_in(sqlite_db, "filer", PASSWORD)
    assert not signed_in(sqlite_db, password=NEW).must_change_password
    with pytest.raises(Refusal, match="已经用过"):
        reset(sqlite_db, made.code, new="Haizhu-2025-gz")
    (issued,) = lines(sqlite_db, "issue_reset_code")
    used, refused = lines(sqlite_db, "use_reset_code")
    assert (used.result, refused.result) == (AuditResult.DONE, AuditResult.REFUSED)
    assert used.address == "203.0.113.9"
    assert not any(made.code in line.detail for line in (issued, used, refused))


def test_a_reset_code_lasts_a_day_and_the_newest_alone_counts(sqlite_db: Database, house: World) -> None:
    first, second = (perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id) for _ in range(2))
    with pytest.raises(Refusal, match="不正确"):
        reset(sqlite_db, first.code)
    with clock.frozen(later(hours=24)), pytest.raises(Refusal, match="已过期"):
        reset(sqlite_db, second.code)
    with clock.frozen(later(hours=23, minutes=59)):
        reset(sqlite_db, second.code)


def test_a_wrong_code_and_an_unknown_name_are_answered_alike_and_wait_alike(sqlite_db: Database, house: World) -> None:
    made = perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)
    said = []
    for username in ("filer", "nobody-here"):
        answers = []
        for _ in range(6):
            with pytest.raises(Refusal) as caught:
                reset(sqlite_db, "AAAA-BBBB-CCCC-DDDD", username=username)
            answers.append((caught.value.message, caught.value.code, caught.value.field))
        said.append(answers)
    assert said[0] == said[1]
    assert said[0][-1][1] == "throttled"
    reset(sqlite_db, made.code, address="10.0.0.7")


def test_a_code_is_not_used_up_by_a_password_that_cannot_be(sqlite_db: Database, house: World) -> None:
    made = perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)
    for new, said in (("short", "太短"), (PASSWORD, "最近用过")):
        with pytest.raises(Refusal, match=said):
            reset(sqlite_db, made.code, new=new)
    with pytest.raises(Refusal, match="不一致"):
        credentials.reset(sqlite_db, "filer", made.code, NEW, PASSWORD)
    reset(sqlite_db, made.code)


def test_of_two_who_use_a_code_at_once_one_succeeds(sqlite_db: Database, house: World) -> None:
    made = perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)

    def one(n: int) -> bool:
        try:
            reset(sqlite_db, made.code, new=f"Yuexiu-{2031 + n}-gz", address=f"10.0.0.{n}")
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1


def test_the_office_above_gives_a_code_to_people_of_its_units_and_the_unit_hears_of_it(
    sqlite_db: Database, house: World
) -> None:
    made = perform(sqlite_db, credentials.issue_reset, house.county, house.signer.user_id)
    reset(sqlite_db, made.code, username="signer")
    told = sqlite_db.read(lambda s: s.exec(select(Message)).one())
    assert told.organisation_id == house.orgs["factory"]
    assert "天河区科技工业和信息化局" in told.text
    page = sqlite_db.read(users.listing, house.county, house.orgs["factory"])
    assert [(row.can_reset, row.can_switch, row.roles) for row in page.rows] == [(True, False, ())] * 2


@pytest.mark.parametrize(
    ("who", "whom"),
    [("county", "far"), ("county", "city"), ("province", "city"), ("filer", "signer"), ("signer", "other")],
)
def test_nobody_else_gives_one(sqlite_db: Database, house: World, who: str, whom: str) -> None:
    with pytest.raises(NotFound):
        perform(sqlite_db, credentials.issue_reset, house.actors[who], house.actors[whom].user_id)


def test_nobody_gives_one_to_himself_to_his_equals_or_to_who_is_disabled(sqlite_db: Database, house: World) -> None:
    with pytest.raises(Forbidden, match="自己"):
        perform(sqlite_db, credentials.issue_reset, house.admin, house.admin.user_id)
    perform(sqlite_db, users.disable, house.signer, house.filer.user_id)
    with pytest.raises(Refusal, match="已停用"):
        perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)


# --- 动态口令 -----------------------------------------------------------------------------------------------------------


def now_shown(secret: str, *, steps: int = 0) -> str:
    """What the telephone shows, so many steps from now."""
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * steps))


def enrol(db: Database, actor: Actor) -> tuple[str, tuple[str, ...]]:
    secret = totp.new_secret()
    return secret, credentials.enrol(db, actor, PASSWORD, secret, now_shown(secret))


def with_code(db: Database, code: str, username: str = "filer") -> sessions.SignedIn:
    with pytest.raises(sessions.SecondStep) as step:
        sessions.sign_in(db, username, PASSWORD, "10.0.0.7")
    return sessions.second_step(db, step.value.ticket, code)


def test_the_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, the last six digits of its SHA-1 rows."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037"), (20000000000, "353130")):
        with clock.frozen(datetime.fromtimestamp(seconds, clock.BEIJING)):
            assert totp.step_of(secret, code, after=0) == seconds // 30
            assert totp.step_of(secret, f" {code[:3]} {code[3:]} ", after=0) is not None
            assert totp.step_of(secret, code, after=seconds // 30) is None


def test_who_uses_a_code_gets_in_by_password_and_code_and_by_neither_alone(sqlite_db: Database, house: World) -> None:
    elsewhere = sessions.sign_in(sqlite_db, "filer", PASSWORD).token
    actor = signed_in(sqlite_db)
    secret, recovery = enrol(sqlite_db, actor)
    assert len(set(recovery)) == 10
    with pytest.raises(SignedOut):
        sessions.resolve(sqlite_db, elsewhere)
    with clock.frozen(later(minutes=5)):
        with pytest.raises(sessions.SecondStep) as step:
            sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
        with pytest.raises(SignedOut):
            sessions.resolve(sqlite_db, step.value.ticket)
        with pytest.raises(Refusal, match="动态口令或恢复码不正确"):
            sessions.second_step(sqlite_db, step.value.ticket, "000000")
        with pytest.raises(Refusal, match="重新输入用户名和密码"):
            sessions.second_step(sqlite_db, "nobody's", now_shown(secret))
        signed = sessions.second_step(sqlite_db, step.value.ticket, now_shown(secret))
        assert sessions.resolve(sqlite_db, signed.token).username == "filer"
        with pytest.raises(Refusal, match="不正确"):
            sessions.sign_in(sqlite_db, "filer", "Wrong-2025-pw", "10.0.0.7")  # tells nothing of the code


def test_no_code_works_twice(sqlite_db: Database, house: World) -> None:
    secret, _ = enrol(sqlite_db, signed_in(sqlite_db))
    with pytest.raises(Refusal, match="已经用过"):
        with_code(sqlite_db, now_shown(secret))  # the one that enrolled
    with clock.frozen(later(minutes=1)):
        with_code(sqlite_db, now_shown(secret))
        for steps in (0, -1):
            with pytest.raises(Refusal, match="已经用过"):
                with_code(sqlite_db, now_shown(secret, steps=steps))
        with_code(sqlite_db, now_shown(secret, steps=1))
    with clock.frozen(later(minutes=10)), pytest.raises(Refusal):
        with_code(sqlite_db, now_shown(secret, steps=2))


def test_guessing_codes_has_to_wait_also_with_new_tickets_and_elsewhere_one_gets_in(
    sqlite_db: Database, house: World
) -> None:
    secret, _ = enrol(sqlite_db, signed_in(sqlite_db))
    with clock.frozen(later(minutes=5)):
        for _ in range(5):
            with pytest.raises(Refusal, match="不正确"):
                with_code(sqlite_db, "000000")
        with pytest.raises(Refusal, match="秒后再试"):
            with_code(sqlite_db, now_shown(secret))
        with pytest.raises(sessions.SecondStep) as step:
            sessions.sign_in(sqlite_db, "filer", PASSWORD, "192.0.2.7")
        sessions.second_step(sqlite_db, step.value.ticket, now_shown(secret))


def test_between_password_and_code_are_five_minutes(sqlite_db: Database, house: World) -> None:
    secret, _ = enrol(sqlite_db, signed_in(sqlite_db))
    with pytest.raises(sessions.SecondStep) as step:
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    with clock.frozen(later(minutes=5)), pytest.raises(Refusal, match="超时") as caught:
        sessions.second_step(sqlite_db, step.value.ticket, now_shown(secret))
    assert caught.value.code == "expired"


def test_a_password_that_was_changed_between_password_and_code_opens_nothing(sqlite_db: Database, house: World) -> None:
    actor = signed_in(sqlite_db)
    secret, _ = enrol(sqlite_db, actor)
    with pytest.raises(sessions.SecondStep) as step:
        sessions.sign_in(sqlite_db, "filer", PASSWORD, "10.0.0.7")
    credentials.change_password(sqlite_db, actor, PASSWORD, NEW, NEW)
    with clock.frozen(later(minutes=1)), pytest.raises(Refusal, match="请用新密码") as refused:
        sessions.second_step(sqlite_db, step.value.ticket, now_shown(secret))
    assert refused.value.code == "expired"


def test_a_password_that_is_changed_while_it_is_looked_at_opens_nothing(
    sqlite_db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = passwords.matches

    def changed_meanwhile(password: str, known: str | None) -> bool:
        found = looked(password, known)
        change(sqlite_db, house.filer.user_id, lambda user: setattr(user, "password_hash", passwords.hashed(NEW)))
        return found

    monkeypatch.setattr(passwords, "matches", changed_meanwhile)
    with pytest.raises(Refusal, match="请用新密码"):
        sessions.sign_in(sqlite_db, "filer", PASSWORD)


def test_a_recovery_code_takes_the_place_of_the_telephone_once(sqlite_db: Database, house: World) -> None:
    actor = signed_in(sqlite_db)
    _, recovery = enrol(sqlite_db, actor)
    assert recovery[0] not in str(sqlite_db.read(lambda s: [row.model_dump() for row in s.exec(select(SpareCode))]))
    with_code(sqlite_db, recovery[0].lower())
    with pytest.raises(Refusal, match="已经用过"):
        with_code(sqlite_db, recovery[0])
    assert sqlite_db.read(credentials.safety, actor).recovery_left == 9
    assert "还剩 9 个" in lines(sqlite_db, "use_recovery_code")[0].detail
    fresh = credentials.renew_recovery(sqlite_db, actor, PASSWORD)
    with pytest.raises(Refusal):
        with_code(sqlite_db, recovery[1])
    with_code(sqlite_db, fresh[0])


@pytest.mark.parametrize(
    ("password", "code", "said"), [("Wrong-2025-pw", "", "密码不正确"), (PASSWORD, "000000", "动态口令不正确")]
)
def test_a_telephone_that_was_not_proved_is_not_taken(
    sqlite_db: Database, house: World, password: str, code: str, said: str
) -> None:
    actor, secret = signed_in(sqlite_db), totp.new_secret()
    with pytest.raises(Refusal, match=said):
        credentials.enrol(sqlite_db, actor, password, secret, code or now_shown(secret))
    signed_in(sqlite_db)


def test_leaving_needs_the_password_and_a_role_that_may(
    sqlite_db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = signed_in(sqlite_db)
    enrol(sqlite_db, actor)
    with pytest.raises(Refusal, match="密码不正确"):
        credentials.leave(sqlite_db, actor, "Wrong-2025-pw")
    monkeypatch.setenv("LVCE_CODE_ROLES", "admin,filer")
    with pytest.raises(Forbidden, match="必须使用动态口令"):
        credentials.leave(sqlite_db, actor, PASSWORD)
    monkeypatch.delenv("LVCE_CODE_ROLES")
    credentials.leave(sqlite_db, actor, PASSWORD)
    signed_in(sqlite_db)
    assert sqlite_db.read(lambda s: s.exec(select(SpareCode)).all()) == []


def test_a_role_that_must_use_a_code_is_led_to_it_first(
    sqlite_db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_CODE_ROLES", "admin")
    token = sessions.sign_in(sqlite_db, "admin", PASSWORD).token
    assert sessions.resolve(sqlite_db, token).must_set_code
    assert not signed_in(sqlite_db, "county").must_set_code
    enrol(sqlite_db, sessions.resolve(sqlite_db, token))
    assert not sessions.resolve(sqlite_db, token).must_set_code


def test_a_short_password_that_was_enough_with_a_code_is_changed_when_the_code_goes(
    sqlite_db: Database, house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LVCE_PASSWORD_PROFILE", "nist")
    actor = signed_in(sqlite_db)
    enrol(sqlite_db, actor)
    credentials.change_password(sqlite_db, actor, PASSWORD, "kq7-mwzt", "kq7-mwzt")
    credentials.leave(sqlite_db, actor, "kq7-mwzt")
    assert signed_in(sqlite_db, password="kq7-mwzt").must_change_password


def test_who_has_lost_everything_is_helped_by_the_administrator(sqlite_db: Database, house: World) -> None:
    actor = signed_in(sqlite_db)
    enrol(sqlite_db, actor)
    with pytest.raises(NotFound):
        perform(sqlite_db, credentials.take_away, house.county, actor.user_id)
    perform(sqlite_db, credentials.take_away, house.admin, actor.user_id)
    signed_in(sqlite_db)
    with pytest.raises(Refusal, match="没有启用"):
        perform(sqlite_db, credentials.take_away, house.admin, actor.user_id)
    assert "停用“广州南粤精工制造有限公司”陈立的动态口令" in lines(sqlite_db, "stop_code")[0].detail


def test_a_reset_code_does_not_take_the_second_step_away(sqlite_db: Database, house: World) -> None:
    enrol(sqlite_db, signed_in(sqlite_db))
    made = perform(sqlite_db, credentials.issue_reset, house.signer, house.filer.user_id)
    reset(sqlite_db, made.code)
    with pytest.raises(sessions.SecondStep):
        sessions.sign_in(sqlite_db, "filer", NEW)


# --- roles ------------------------------------------------------------------------------------------------------------


def test_a_change_of_role_ends_what_was_open(sqlite_db: Database, house: World) -> None:
    token = sessions.sign_in(sqlite_db, "filer", PASSWORD).token
    sessions.resolve(sqlite_db, token)
    perform(sqlite_db, users.change_role, house.admin, house.filer.user_id, Role.SIGNER)
    with pytest.raises(SignedOut):
        sessions.resolve(sqlite_db, token)
    assert signed_in(sqlite_db).role is Role.SIGNER
    with pytest.raises(Refusal, match="没有改动"):
        perform(sqlite_db, users.change_role, house.admin, house.filer.user_id, Role.SIGNER)
    (line, *_) = lines(sqlite_db, "change_role")
    assert "由填报人改为负责人" in line.detail


@pytest.mark.parametrize("role", [Role.ADMIN, Role.CITY, Role.MINISTRY])
def test_nobody_of_a_unit_becomes_an_official(sqlite_db: Database, house: World, role: Role) -> None:
    with pytest.raises(Refusal, match="可以设的角色：负责人、填报人"):
        perform(sqlite_db, users.change_role, house.admin, house.filer.user_id, role)
    with pytest.raises(Refusal):
        perform(sqlite_db, users.change_role, house.signer, house.filer.user_id, Role.SIGNER)


def test_what_was_typed_as_a_name_is_not_kept(sqlite_db: Database, house: World) -> None:
    with pytest.raises(Refusal):
        credentials.reset(sqlite_db, "nobody-here", "AAAA", NEW, NEW, "203.0.113.9")
    last = sqlite_db.read(lambda s: s.exec(select(AuditLine).order_by(col(AuditLine.id).desc())).first())
    assert last is not None
    assert (last.action, last.result, last.address) == ("use_reset_code", AuditResult.REFUSED, "203.0.113.9")
    assert "nobody-here" not in last.detail
