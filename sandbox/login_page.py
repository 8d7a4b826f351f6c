"""The identity provider's pages: the login with the list of who can log in, and a good-bye."""

from html import escape

from sandbox.people import PASSWORD, USERS

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox login</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit; }}
input, button {{ min-height: 44px; margin: .25rem 0 1rem; padding: 0 .75rem; }}
table {{ width: 100%; border-collapse: collapse; margin-top: 1rem; }}
th, td {{ text-align: left; padding: .25rem .5rem .25rem 0; border-top: 1px solid #8886; }}
[role=alert] {{ border-left: 4px solid #b3261e; padding-left: .75rem; }}
</style>
</head>
<body>
<main>
<h1>Sandbox login</h1>
<p>Everybody here is made up. The password of all of them is <code>{password}</code>. The guarantors of a made-up
hospital log in too: that of account SBX-H1-000001 is <code>h1-000001</code>.</p>
{fault}<form method="post">
<label for="username">User name</label>
<input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none"
 required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Log in</button>
</form>
<table>
<thead><tr><th>User name</th><th>Name</th><th>Who</th></tr></thead>
<tbody>
{users}
</tbody>
</table>
</main>
</body>
</html>
"""

GOODBYE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sandbox login</title></head>
<body><main><p>You are logged out.</p></main></body>
</html>
"""

FAULT = '<p role="alert">No user has this name and password. The table below lists who there is.</p>\n'


def page(username: str = "", *, failed: bool = False) -> str:
    """Return the page, with the name as it was typed; `failed` when it did not match."""
    users = "\n".join(
        f"<tr><td><code>{user.username}</code></td><td>{escape(user.name)}</td><td>{escape(user.about)}</td></tr>"
        for user in USERS.values()
    )
    return PAGE.format(password=PASSWORD, username=escape(username), fault=FAULT if failed else "", users=users)


def goodbye() -> str:
    """Return the page for who has logged out and has nowhere to go back to."""
    return GOODBYE
