package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
)

func open(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Names with bytes that mean something in a URI lead to the very file.
func TestOpenTakesThePathAsItIs(t *testing.T) {
	for _, name := range []string{"plain.db", "a b?c#d%20e&mode=memory.db", "ünï;code'\".db"} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, `?"`) {
			continue
		}
		path := filepath.Join(t.TempDir(), "not", "yet", name)
		l := open(t, path)
		defer l.Close()
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows has other means
	}
	dir := filepath.Join(t.TempDir(), "data")
	l := open(t, filepath.Join(dir, "ledger.db"))
	defer l.Close()
	if _, err := l.AddLink(t.Context(), ledger.NewLink{Code: "demo"}); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files++
		return nil
	})
	if err != nil || files < 3 { // the folder, the database, its log
		t.Fatalf("%d files (%v)", files, err)
	}
}

func TestOpenFailsOnAFileThatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), path)
	if err == nil {
		l.Close()
		t.Fatal("a text was opened as a ledger")
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
}

// The settings that the promises rest on, read back from both pools' own connections.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	defer l.Close()
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		if got := pragma(t, writerDSN(path), name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	db, err := sql.Open("sqlite", readerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`DELETE FROM meta`); err == nil {
		t.Error("a reader could write")
	}
}

func pragma(t *testing.T, dsn, name string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`PRAGMA ` + name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// What SQLite refuses for its values is poison; a full, busy or damaged database is away for a while; a mistake of ours is neither.
func TestRefusedAndAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const fine, poison, passes, bug = "fine", "poison", "passes", "bug"
	for _, c := range []struct{ query, want string }{
		{`CREATE TABLE t (id integer PRIMARY KEY, v text NOT NULL CHECK (v <> ''))`, fine},
		{`INSERT INTO t VALUES (1, 'x')`, fine},
		{`INSERT INTO t VALUES (1, 'x')`, poison},
		{`INSERT INTO t VALUES (2, '')`, poison},
		{`INSERT INTO t VALUES (3, NULL)`, poison},
		{`INSERT INTO t VALUES ('four', 'x')`, poison},
		{`INSERT INTO t VALUES (5, zeroblob(2000000000))`, poison},
		{`INSERT INTO nowhere VALUES (1)`, bug},
		{`PRAGMA max_page_count = 4`, fine},
		{`INSERT INTO t VALUES (6, hex(zeroblob(100000)))`, passes}, // SQLITE_FULL
		{`PRAGMA query_only = ON`, fine},
		{`INSERT INTO t VALUES (7, 'x')`, passes}, // SQLITE_READONLY
		{`PRAGMA query_only = OFF`, fine},
		{`BEGIN IMMEDIATE`, fine},
	} {
		_, err := db.Exec(c.query)
		wrapped := fmt.Errorf("wrapped: %w", err)
		if (err != nil) != (c.want != fine) || refused(wrapped) != (c.want == poison) || away(wrapped) != (c.want == passes) {
			t.Errorf("%s: %v, refused %v, away %v, want %s", c.query, err, refused(wrapped), away(wrapped), c.want)
		}
	}
	other, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`INSERT INTO t VALUES (8, 'x')`); !away(err) { // SQLITE_BUSY
		t.Errorf("another writer's lock: %v", err)
	}
	if err := errors.New("constraint failed: database is locked"); refused(err) || away(err) {
		t.Error("any error is taken for a refusal, or for the machine's")
	}
}

// A writer of another process keeps an apply waiting; its timeout is no refusal, and the same records land later.
func TestBusyIsNoPoison(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	defer l.Close()
	other, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	records, waited := ledgertest.Sessions(1, 10), time.Hour
	for range 3 { // a machine that stands still for a moment makes one of them late
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		started := time.Now()
		if _, err := l.Apply(ctx, "origin", records); err == nil {
			t.Fatal("two writers at once")
		}
		waited = min(waited, time.Since(started))
	}
	if waited > 3*time.Second {
		t.Errorf("a call with a timeout of 100 ms took %v each time", waited)
	}
	time.AfterFunc(300*time.Millisecond, func() { tx.Rollback() }) // the next one waits for it
	done, err := l.Apply(t.Context(), "origin", records)
	if err != nil || done.Sessions != 10 || done.Quarantined != 0 {
		t.Fatalf("afterwards: %+v, %v", done, err)
	}
}

func TestLibcWarning(t *testing.T) {
	module := func(path, version string) *debug.Module { return &debug.Module{Path: path, Version: version} }
	right, wrong := module(libcModule, libcVersion), module(libcModule, "v1.99.0")
	ours, newer := module(sqliteModule, sqliteVersion), module(sqliteModule, "v1.99.0")
	replaced := &debug.Module{Path: libcModule, Version: "v1.99.0", Replace: right}
	for _, c := range []struct {
		deps []*debug.Module
		warn bool
	}{
		{[]*debug.Module{ours, right}, false},
		{[]*debug.Module{ours, wrong}, true},
		{[]*debug.Module{ours, replaced}, false},
		{[]*debug.Module{newer, wrong}, false}, // nothing is known of it
		{nil, false},
	} {
		if got := judgeLibc(c.deps); (len(got) > 0) != c.warn {
			t.Errorf("the warnings are %q", got)
		}
	}
	if w := libcWarning(); len(w) > 0 {
		t.Errorf("this binary: %s", w)
	}
}

// The versions in libc.go are those that go.mod has, and that SQLite's own go.mod asks for.
func TestLibcVersions(t *testing.T) {
	for _, c := range [][2]string{{sqliteModule, sqliteVersion}, {libcModule, libcVersion}} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", c[0]).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != c[1] {
			t.Errorf("go.mod has %s %s, this package %s (%v)", c[0], got, c[1], err)
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.GoMod}}", sqliteModule).Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if want := libcModule + " " + libcVersion + "\n"; !strings.Contains(string(file), want) {
		t.Errorf("%s does not ask for %s", sqliteModule, want)
	}
}
