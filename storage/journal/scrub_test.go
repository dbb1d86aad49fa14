package journal

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// planted stands in the records that are to be scrubbed.
const planted = "203.0.113.77"

// blank is what unplant leaves of it.
const blank = "------------"

// unplant is what a caller of Scrub does.
func unplant(payload []byte) bool {
	at := bytes.Index(payload, []byte(planted))
	if at < 0 {
		return false
	}
	copy(payload[at:], blank)
	return true
}

// mixed returns n records, every third of which has the planted bytes.
func mixed(n int) (records [][]byte) {
	for i := range n {
		p := payload(i+1, 150+i%7)
		if i%3 == 0 {
			copy(p[60:], planted)
		}
		records = append(records, p)
	}
	return records
}

// holders returns the files under dir in which the bytes stand.
func holders(t *testing.T, dir, text string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(text)) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// The origin that is being written, with more segments than one, and then the same as an earlier process's.
func TestScrubLeavesNoneOfIt(t *testing.T) {
	const n = 1000
	dir := t.TempDir()
	o := Options{SegmentBytes: 32 << 10}
	j := open(t, dir, o)
	origin := live(t, j)
	records := mixed(n)
	put(t, j, records...)
	before := readAll(t, j, origin, 0, 1<<20)

	const applied = 700
	done, err := j.Scrub(t.Context(), origin, 0, applied, unplant)
	if err != nil || done != 234 {
		t.Fatalf("%d records scrubbed, %v", done, err)
	}
	after := readAll(t, j, origin, 0, 1<<20)
	for i, e := range after {
		want := bytes.Clone(records[i])
		if e.Seq <= applied {
			unplant(want)
		}
		if !bytes.Equal(e.Payload, want) {
			t.Fatalf("record %d is %q", e.Seq, e.Payload)
		}
		if !bytes.Equal(before[i].Payload, records[i]) {
			t.Fatalf("record %d, which was read before, has changed under its reader", e.Seq)
		}
	}
	if done, err := j.Scrub(t.Context(), origin, 0, applied, unplant); done != 0 || err != nil {
		t.Fatalf("again: %d records, %v", done, err)
	}

	// Records go on, and what has come meanwhile is scrubbed from where the last call ended.
	put(t, j, records[0])
	if done, err := j.Scrub(t.Context(), origin, applied, n, unplant); done != 100 || err != nil {
		t.Fatalf("the rest: %d records, %v", done, err)
	}
	closeJournal(t, j)

	j = open(t, dir, o)
	if paths := holders(t, dir, planted); len(paths) != 1 {
		t.Fatalf("it stands in %v, and only one record is left", paths)
	}
	if done, err := j.Scrub(t.Context(), origin, n, 1<<40, unplant); done != 1 || err != nil {
		t.Fatalf("after reopening: %d records, %v", done, err)
	}
	if paths := holders(t, dir, planted); paths != nil {
		t.Fatalf("it still stands in %v", paths)
	}
	if s := state(t, j, origin); s.Durable != n+1 || s.Unreadable != 0 {
		t.Fatalf("state %+v", s)
	}
	if got := readAll(t, j, origin, 0, 1<<20); len(got) != n+1 {
		t.Fatalf("%d records are left", len(got))
	}
	// The file has another time now, which must not look like another writer's.
	if err := j.Truncate(origin, n+1); err != nil {
		t.Fatal(err)
	}
	if _, err := j.State(origin); !errors.Is(err, ErrNoOrigin) {
		t.Fatalf("the finished origin: %v", err)
	}
	if paths := holders(t, dir, blank); paths != nil {
		t.Fatalf("what was scrubbed is kept in %v", paths)
	}
}

func TestScrubPassesWhatIsTruncatedOrDamaged(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 8 << 10})
	origin := live(t, j)
	put(t, j, mixed(200)...)
	if err := j.Truncate(origin, 100); err != nil {
		t.Fatal(err)
	}
	base := state(t, j, origin).Base
	if base == 0 {
		t.Fatal("nothing is truncated")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "origins", origin, "*"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("segments %v, %v", paths, err)
	}
	segment, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := overwrite(paths[1], 5*int64(frameSize(segment)), []byte("rot")); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Scrub(t.Context(), origin, 0, 200, unplant); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, e := range readAll(t, j, origin, base, 1<<20) {
		if _, dead := lostFrom(e); dead {
			lost++
		} else if bytes.Contains(e.Payload, []byte(planted)) {
			t.Errorf("record %d was passed over", e.Seq)
		}
	}
	if lost == 0 || lost > 2 {
		t.Errorf("%d records are lost by three bytes", lost)
	}
	if err := os.Remove(paths[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Scrub(t.Context(), origin, 0, 200, unplant); !errors.Is(err, ErrGone) {
		t.Errorf("with a segment gone, which may come back: %v", err)
	}
}

// A power cut while a record is written back leaves a part of it: the records around it are none the worse.
func TestScrubTornByAPowerCut(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	origin := live(t, j)
	put(t, j, mixed(9)...)
	closeJournal(t, j)
	path := segmentPath(filepath.Join(dir, "origins", origin), 1)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	if n, err := j.Scrub(t.Context(), origin, 0, 4, unplant); n != 2 || err != nil {
		t.Fatalf("%d records, %v", n, err)
	}
	closeJournal(t, j)
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fourth := bytes.Index(before, mixed(9)[3]) - headerSize
	for cut := range len(mixed(9)[3]) + headerSize {
		torn := append(bytes.Clone(after[:fourth+cut]), before[fourth+cut:]...)
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := oldOrigin(dir, origin)
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.read(0, 1<<20)
		if err != nil || len(got) != 9 {
			t.Fatalf("cut at %d: %d records, %v", cut, len(got), err)
		}
		for i, e := range got {
			if _, dead := lostFrom(e); dead && e.Seq != 4 {
				t.Fatalf("cut at %d: record %d is lost", cut, i+1)
			}
		}
		if bytes.Contains(got[0].Payload, []byte(planted)) || !bytes.Contains(got[6].Payload, []byte(planted)) {
			t.Fatalf("cut at %d: %q and %q", cut, got[0].Payload, got[6].Payload)
		}
	}
}

func TestScrubEnds(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	origin := live(t, j)
	put(t, j, mixed(3)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Scrub(ctx, origin, 0, 3, unplant); !errors.Is(err, context.Canceled) {
		t.Errorf("when its context has ended: %v", err)
	}
	if _, err := j.Scrub(t.Context(), tracker.NewSessionID(j.begun).String(), 0, 3, unplant); !errors.Is(err, ErrNoOrigin) {
		t.Errorf("an unknown origin: %v", err)
	}
	closeJournal(t, j)
	if _, err := j.Scrub(t.Context(), origin, 0, 3, unplant); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed journal: %v", err)
	}
	if paths := holders(t, dir, planted); len(paths) != 1 {
		t.Errorf("it stands in %v", paths)
	}
}
