"""ZoneMinder: its capture daemon reads a camera of ours, and a reader of ours what its own server shows of it.

The package is unpacked in a folder; a mount namespace puts it where it would be installed. So no database, web server
or timer of it begins to run on the machine.
"""

import re
import subprocess
import unittest

import kit
from kit import HOME, RED, fields, settings, wait_until

# Debian's files before those of the machine, and the test's own before both. Then as the user that its web server is.
VIEW = """
mount -t overlay -o lowerdir="$1/usr:/usr" overlay /usr
mount -t overlay -o lowerdir="$2/etc:$1/etc:/etc" overlay /etc
shift 2
exec setpriv --reuid=www-data --regid=www-data --clear-groups "$@"
"""
CONFIG = """ZM_DB_HOST=localhost:{folder}/database.sock
ZM_PATH_LOGS={folder}/log
ZM_PATH_SOCKS={folder}/run
ZM_PATH_SWAP={folder}/run
ZM_PATH_MAP={folder}/run
ZM_DIR_EVENTS={folder}/events
"""
APACHE = """ServerRoot /usr/lib/apache2
ServerName camera
Listen 127.0.0.1:{port}
PidFile {folder}/run/apache.pid
ErrorLog {folder}/log/apache.log
LoadModule mpm_prefork_module modules/mod_mpm_prefork.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule alias_module modules/mod_alias.so
LoadModule cgi_module modules/mod_cgi.so
ScriptAlias /zm/cgi-bin /usr/lib/zoneminder/cgi-bin
"""
# The names of the form's labels, and the columns behind them.
COLUMNS = {
    "SourceType": "Type",
    "SourcePath": "Path",
    "RemoteProtocol": "Protocol",
    "RemoteMethod": "Method",
    "RemoteHostName": "Host",
    "RemoteHostPort": "Port",
    "RemoteHostPath": "Path",
    "CaptureWidth": "Width",
    "CaptureHeight": "Height",
}
# What the form shows for these values.
VALUES = {"HTTP": "http", "Simple": "simple", "HOST": "127.0.0.1"}


class ZoneMinder(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        for name in ("log", "run", "events", "database", "etc/zm/conf.d"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "etc/zm/conf.d/09-test.conf").write_text(CONFIG.format(folder=self.folder))
        subprocess.run(["chown", "-R", "www-data:", self.folder], check=True)
        self.root = HOME / "zoneminder/root"
        self.start_database()

    def view(self, *words):
        return ["unshare", "--mount", "sh", "-euc", VIEW, "sh", self.root, self.folder, *words]

    def start_database(self):
        data, socket = self.folder / "database", self.folder / "database.sock"
        make = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        made = self.start(kit.Program, self.view(*make, "--skip-test-db"), self.folder)
        self.assertEqual(made.process.wait(), 0, made.output())
        serve = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking"]
        server = self.start(kit.Program, self.view(*serve), self.folder)
        wait_until("the database", lambda: self.sql("SELECT 1").returncode == 0, server)
        tables = self.sql((self.root / "usr/share/zoneminder/db/zm_create.sql").read_text())
        self.assertEqual(tables.returncode, 0, tables)
        self.sql("GRANT ALL ON zm.* TO zmuser@localhost IDENTIFIED BY 'zmpass'").check_returncode()

    def sql(self, text):
        words = ["mariadb", "--no-defaults", f"--socket={self.folder / 'database.sock'}", "--user=root"]
        return subprocess.run(self.view(*words), input=text, capture_output=True, text=True)

    def add_monitor(self, entries):
        """What the form for a new monitor writes; the rest stays as the table has it."""
        labels = (self.root / "usr/share/zoneminder/www/lang/en_gb.php").read_text()
        names = re.findall(r"^ *'(\w+)' *=> '(.*)',", labels, re.MULTILINE)
        columns = {label: COLUMNS[name] for name, label in names if name in COLUMNS}
        row = {columns[label]: VALUES.get(value, value) for label, value in entries.items()}
        row |= {"Name": "door", "Function": "Monitor", "Colours": 4}
        values = ", ".join(f"{column}='{value}'" for column, value in row.items())
        self.sql(f"INSERT INTO zm.Monitors SET {values}").check_returncode()

    def serve(self):
        """ZoneMinder's own stream of the monitor, by Apache, as its package sets it up."""
        port = kit.free_port()
        (self.folder / "apache.conf").write_text(APACHE.format(port=port, folder=self.folder))
        self.start(kit.Program, self.view("/usr/sbin/apache2", "-X", "-f", self.folder / "apache.conf"), self.folder)
        wait_until("Apache", lambda: kit.listens(port))
        return f"http://127.0.0.1:{port}/zm/cgi-bin/nph-zms?mode=jpeg&monitor=1&scale=100&maxfps=15"

    def test_captures_with_ffmpeg_and_serves(self):
        camera = self.start(kit.Camera, RED)
        self.assert_works(camera, fields(settings("ZoneMinder", camera.port)[0]))

    def test_captures_by_itself_and_serves(self):
        camera = self.start(kit.Camera, RED)
        self.assert_works(camera, {**fields(settings("ZoneMinder", camera.port)[1]), "Port": str(camera.port)})

    def assert_works(self, camera, entries):
        self.add_monitor(entries)
        program = self.start(kit.Program, self.view("zmc", "-m", "1"), self.folder)
        wait_until("ZoneMinder to watch", lambda: camera.viewers() == 1, program)
        self.assert_shows(self.start(kit.Reader, self.serve()), camera)


if __name__ == "__main__":
    unittest.main()
