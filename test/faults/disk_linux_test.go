package faults

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// small is a journal of small segments, so that the disk's end is met soon.
const small = "journal ./disk/affiliate {\nsegment_size 256KiB\n}"

// The disk fills up while clicks come: no token without a record, each miss counted, the site served; and tokens again
// without a restart when there is room.
func TestDiskFull(t *testing.T) {
	onDisk(t, "2m", func(dir, disk string) {
		p := caddy.Start(t, with(embedded, small), caddy.In(dir))
		broken(t, p, func() { fill(t, disk) }, func() { must(t, os.Remove(filler(disk))) })
	})
}

// A disk that is full when Caddy starts, with all that Caddy keeps on it: the site is served from the first moment, and the
// first token needs nothing but room.
func TestStartOnFullDisk(t *testing.T) {
	onDisk(t, "16m", func(dir, disk string) {
		config := with("ledger sqlite ./books/ledger.db", "journal ./affiliate {\nsegment_size 256KiB\n}")
		p := caddy.Start(t, config, caddy.In(disk))
		before := clicks(p).For(500 * time.Millisecond)
		check.Acked(t, before.Tokens, p)
		p.Term()

		fill(t, disk)
		p.Restart()
		visit := visits(p).Start()
		during := clicks(p).For(time.Second)
		unnoticed(t, "clicks on a full disk", during)
		got := countsOf(p)
		exact(t, got, during)
		if got.tokens > 0 || got.disk+got.starting != got.human {
			t.Errorf("on a full disk: %s", got)
		}
		must(t, os.Remove(filler(disk)))
		after := untilTokens(t, p)
		unnoticed(t, "pages", visit.Stop())
		check.Acked(t, append(before.Tokens, after.Tokens...), p)
	})
}

// The folder turns read-only under the process, and back. A mount with files open for writing cannot be made read-only,
// so a read-only view of it is mounted over it.
func TestDiskReadOnly(t *testing.T) {
	onDisk(t, "8m", func(dir, disk string) {
		p := caddy.Start(t, with(embedded, small), caddy.In(dir))
		cover := func() {
			must(t, syscall.Mount(disk, disk, "", syscall.MS_BIND, ""))
			must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
		}
		broken(t, p, cover, func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	})
}

// A volume is mounted over the journal's folder, and taken away again: what was acknowledged is below it, and nothing is
// written into the volume.
func TestDiskMountedOver(t *testing.T) {
	onDisk(t, "8m", func(dir, disk string) {
		p := caddy.Start(t, with(embedded, small), caddy.In(dir))
		journal := filepath.Join(disk, "affiliate")
		broken(t, p, func() { must(t, syscall.Mount("tmpfs", journal, "tmpfs", 0, "size=8m,mode=0700")) }, func() {
			if files, err := os.ReadDir(journal); err != nil || len(files) > 0 {
				t.Errorf("in the volume there are %v, %v", files, err)
			}
			must(t, syscall.Unmount(journal, syscall.MNT_DETACH))
		})
	})
}

// A folder that is read-only when Caddy starts is waited for.
func TestStartOnReadOnlyDisk(t *testing.T) {
	onDisk(t, "8m", func(dir, disk string) {
		readOnly := func(flag uintptr) { must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|flag, "")) }
		readOnly(syscall.MS_RDONLY)
		p := caddy.Start(t, with(embedded, small), caddy.In(dir))
		during := clicks(p).For(time.Second)
		unnoticed(t, "clicks", during)
		got := countsOf(p)
		exact(t, got, during)
		if got.tokens > 0 || got.starting != got.human {
			t.Errorf("on a read-only disk: %s", got)
		}
		readOnly(0)
		check.Acked(t, untilTokens(t, p).Tokens, p)
	})
}

// The kernel refuses every write of the process, to segments that are open as well: each refusal ends the origin, whose
// acknowledged records stay good, and another begins.
func TestFailedWrites(t *testing.T) {
	p := caddy.Start(t, with(embedded))
	var usual unix.Rlimit
	must(t, unix.Prlimit(p.Pid(), unix.RLIMIT_FSIZE, nil, &usual))
	limit := func(bytes uint64) {
		must(t, unix.Prlimit(p.Pid(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: usual.Max}, nil))
	}
	broken(t, p, func() { limit(0) }, func() { limit(usual.Cur) })
	if n := p.Metrics()["caddy_affiliate_journal_write_failures_total"]; n == 0 {
		t.Error("no write has failed")
	}
	if n := len(origins(t, p)); n < 2 {
		t.Errorf("the journal has %d origins: the one whose write failed goes on", n)
	}
}

// A journal at its max_size hands out no tokens and deletes nothing. Once the ledger lets it forget, it goes on.
func TestJournalAtItsCap(t *testing.T) {
	journal := "journal ./affiliate {\nmax_size 512KiB\nsegment_size 128KiB\nretain %\n}"
	p := caddy.Start(t, with(embedded, strings.Replace(journal, "%", "24h", 1)))
	origin := origins(t, p)[0]
	first := filepath.Join(p.Dir, "affiliate", "origins", origin, "00000000000000000001.seg")
	fullByItself := func() {}
	broken(t, p, fullByItself, func() {
		if check.Settle(t, p); !exists(first) {
			t.Error("the journal has deleted records before their time")
		}
		must(t, p.Reload(with(embedded, strings.Replace(journal, "%", "1s", 1))))
		await(t, "the journal to forget", func() bool { return !exists(first) })
	})
}

// broken clicks before, during and after what begin does to the journal's disk and end takes back. It judges that a visitor
// noticed nothing, that no token was given without its record, and that each click without a token is counted.
func broken(t *testing.T, p *caddy.Process, begin, end func()) {
	t.Helper()
	p.AwaitHealth()
	visit, click := visits(p).Start(), clicks(p).Start()
	await(t, "tokens", func() bool { return click.Tokens() >= 200 })
	begin()
	await(t, "the tokens to end", func() bool { // for the disk, and not since the machine stands still for a moment
		earlier := countsOf(p)
		time.Sleep(300 * time.Millisecond)
		got := countsOf(p).since(earlier)
		return got.tokens == 0 && got.disk > 0
	})
	result := click.Stop()
	before := countsOf(p)
	exact(t, before, result)
	if before.disk == 0 {
		t.Errorf("nothing was withheld for the disk: %s", before)
	}

	during := clicks(p).For(time.Second)
	got := countsOf(p).since(before)
	exact(t, got, during)
	if got.tokens > 0 || got.disk == 0 || got.disk+got.late != got.human { // late is who came as the journal tried again
		t.Errorf("while nothing can be written: %s", got)
	}
	await(t, "the health to say so", func() bool {
		_, health := p.AdminGet("/affiliate/health")
		return strings.Contains(health, `"journal":{"status":"degraded"`)
	})

	end()
	after := untilTokens(t, p)
	unnoticed(t, "clicks before", result)
	unnoticed(t, "clicks during", during)
	unnoticed(t, "clicks after", after)
	unnoticed(t, "pages", visit.Stop())
	t.Logf("in all: %s", countsOf(p))
	check.Acked(t, append(result.Tokens, after.Tokens...), p)
}

// untilTokens clicks until tokens are handed out again.
func untilTokens(t *testing.T, p *caddy.Process) *load.Result {
	t.Helper()
	r := clicks(p).Start()
	defer r.Stop()
	await(t, "tokens again, without a restart", func() bool { return r.Tokens() >= 200 })
	return r.Stop()
}

// onDisk calls f with a folder, and a small disk that is mounted there as ./disk. Only root may mount; anybody else runs the
// test once more, as root of a namespace of its own.
func onDisk(t *testing.T, size string, f func(dir, disk string)) {
	t.Helper()
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	must(t, os.Mkdir(disk, 0o700))
	err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size+",mode=0700")
	if errors.Is(err, syscall.EPERM) && os.Getenv(inNamespace) == "" {
		caddy.Binary(t) // is built outside
		cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("mounting a small disk needs root or a user namespace; in a namespace: %v\n%s", err, out)
		}
		return
	}
	if err != nil {
		t.Fatalf("mounting a small disk needs root or a user namespace: %v", err)
	}
	t.Cleanup(func() {
		for syscall.Unmount(disk, syscall.MNT_DETACH) == nil { // a test that failed may have left another above it
		}
	})
	f(dir, disk)
}

const inNamespace = "CADDY_AFFILIATE_TEST_NAMESPACE"

func filler(disk string) string { return filepath.Join(disk, "filler") }

// fill leaves no byte free on the disk, also none of those that the process gives back when it meets the end.
func fill(t *testing.T, disk string) {
	t.Helper()
	f, err := os.OpenFile(filler(disk), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer f.Close()
	zeros := make([]byte, 4096)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		_, err := f.Write(zeros)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			time.Sleep(10 * time.Millisecond)
		case err != nil:
			t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
