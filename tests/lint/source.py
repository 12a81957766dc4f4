"""source: what the lint scripts share: finding C files, blanking comments and strings, and the closing count line.

A check is a program that takes the root of a tree, prints one line a finding ("path:line: what is wrong"), ends with
"N passed, N failed" counted in files, and exits with status 1 if it found anything.
"""
import pathlib
import re
import sys

FOLDERS = ("src", "envs", "policies", "include", "tests")
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def c_files(root, folders=FOLDERS, suffixes=(".c", ".h")):
    """Every C file below the folders, except the lint fixtures; sorted."""
    root = pathlib.Path(root)
    found = []
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.suffix in suffixes and "tests/lint/bad" not in path.relative_to(root).as_posix():
                found.append(path)
    return sorted(found)


def blank(text, keep_strings=False):
    """The text with comments (and strings) replaced by blanks of the same length and lines."""
    def cover(match):
        token = match.group(0)
        if keep_strings and token[0] == '"':
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(cover, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(n_files, findings):
    """findings: list of (path, line, message). Prints them, the count line, and exits."""
    for path, line, message in findings:
        print(f"{path}:{line}: {message}")
    bad = len({path for path, _, _ in findings})
    if n_files == 0:
        print("no file was looked at")
        sys.exit("0 passed, 1 failed")
    print(f"{max(0, n_files - bad)} passed, {bad} failed")
    sys.exit(1 if findings else 0)


def root_argument():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT")
    return pathlib.Path(sys.argv[1]).resolve()
