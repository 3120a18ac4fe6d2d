"""What the application refuses to be served with (不安全的配置); each is sound once the one thing is put right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services import safety, settings

SOUND = {
    "LVCE_HOST": "0.0.0.0",
    "LVCE_DEMO": "0",
    "LVCE_PUBLIC_URL": "https://lvce.example.gov.cn",
    "LVCE_TRUSTED_PROXY": "192.0.2.7",
    "LVCE_DATABASE_URL": "postgresql://lvce:kq7mwz-tR4vbn-Lp29@192.0.2.8/lvce",
}


def weaknesses(place: Path, **env: str) -> tuple[str, ...]:
    return safety.weaknesses(settings.from_env({"LVCE_DATA_DIR": str(place), **env}))


def test_a_deployment_behind_a_proxy_and_a_demo_on_loopback_are_sound(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert weaknesses(tmp_path, **SOUND) == ()
    assert weaknesses(tmp_path, LVCE_DEMO="1") == ()
    assert weaknesses(tmp_path, LVCE_DEMO="1", LVCE_CLOCK_FILE="/clock") == ()
    assert weaknesses(tmp_path, LVCE_DEMO="1", LVCE_DATABASE_URL="postgresql://demo:demo@127.0.0.1/demo") == ()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"LVCE_PUBLIC_URL": ""}, "连接没有加密"),
        ({"LVCE_TRUSTED_PROXY": ""}, "LVCE_TRUSTED_PROXY（代理的地址）"),
        ({"LVCE_PUBLIC_URL": "http://lvce.example.gov.cn"}, "改为 https:// 开头的网址"),
        ({"LVCE_HOST": "127.0.0.1", "LVCE_PUBLIC_URL": "http://lvce.example.gov.cn"}, "改为 https:// 开头的网址"),
        ({"LVCE_HOST": "127.0.0.1", "LVCE_TRUSTED_PROXY": ""}, "请把它设为反向代理的地址"),
        ({"LVCE_TRUSTED_PROXY": "0.0.0.0/0"}, "可以冒充别人的地址"),
        ({"LVCE_TRUSTED_PROXY": "127.0.0.1, ::/0"}, "可以冒充别人的地址"),
        ({"LVCE_DEMO": "1"}, "请设 LVCE_DEMO=0"),
        ({"LVCE_DEMO": "1", "LVCE_HOST": "127.0.0.1"}, "请设 LVCE_DEMO=0"),
        ({"LVCE_HOST": "127.0.0.1", "LVCE_CLOCK_FILE": "/clock"}, "LVCE_CLOCK_FILE"),
        ({"LVCE_DATABASE_URL": "postgresql://lvce:lvce@192.0.2.8/lvce"}, "过于简单"),
        ({"LVCE_DATABASE_URL": "postgresql://lvce:password123456@192.0.2.8/lvce"}, "过于简单"),
    ],
)
def test_what_is_weak_is_named_with_what_to_set_instead(tmp_path: Path, env: dict[str, str], said: str) -> None:
    tmp_path.chmod(0o700)
    found = weaknesses(tmp_path, **{**SOUND, **env})
    assert len(found) >= 1
    assert any(said in words for words in found)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_what_other_users_of_the_machine_can_read_is_weak(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.sqlite3"
    home.mkdir()
    elsewhere.touch()
    home.chmod(0o755)
    elsewhere.chmod(0o644)  # whatever the umask
    said = weaknesses(home, LVCE_DATABASE_URL=f"sqlite:///{elsewhere}")
    assert [f"chmod 700 {home}" in said[0], f"chmod 600 {elsewhere}" in said[1]] == [True, True]
    home.chmod(0o700)
    elsewhere.chmod(0o600)
    assert weaknesses(home, LVCE_DATABASE_URL=f"sqlite:///{elsewhere}") == ()
    inside = home / "lvce.sqlite3"
    inside.touch()
    inside.chmod(0o644)  # nobody comes so far
    assert weaknesses(home) == ()
