"""A process with a key: tried in one of its own, as the limit and the hook are the whole process's."""

import subprocess
import sys

from tests.config_files import ROOT

PROGRAM = """
import resource
from runner.adapters.process_secrecy import keep_secret
keep_secret(lambda text: text.replace("hunter2", "[secret]"))
print(resource.getrlimit(resource.RLIMIT_CORE)[0])
try:
    open("/no/such/hunter2")
except OSError as error:
    raise RuntimeError("said hunter2") from error
"""


def test_it_leaves_no_core_file_and_ends_with_a_traceback_without_the_secret() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout == "0\n"
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "No such file or directory: '/no/such/[secret]'" in done.stderr  # the cause's own traceback, too
    assert done.stderr.endswith("RuntimeError: said [secret]\n")
    assert "hunter2" not in done.stderr
