package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// written returns the folder of a closed journal with one origin of n records of size, size+1 or size+2 bytes.
func written(t testing.TB, n, size int, o Options) (dir, origin string) {
	t.Helper()
	dir = t.TempDir()
	j := open(t, dir, o)
	origin = live(t, j)
	for i := range n {
		put(t, j, payload(i+1, size+i%3))
	}
	closeJournal(t, j)
	return dir, origin
}

// oldOrigin opens an origin by itself, without the time that a whole journal takes.
func oldOrigin(dir, name string) (*origin, error) {
	o := &origin{
		name: name, dir: filepath.Join(dir, "origins", name), synced: true,
		log: slog.New(slog.DiscardHandler), release: func(int64) {},
	}
	return o, o.list()
}

// survivors reads the origin whole and checks what J4 asks for: an unbroken sequence of true records and tombstones.
func survivors(t testing.TB, o *origin, size int) (entries []tracker.Entry, lost int) {
	t.Helper()
	after := uint64(0)
	for {
		got, err := o.read(after, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			if e.Seq != after+1 {
				t.Fatalf("%d follows %d", e.Seq, after)
			}
			after = e.Seq
			from, dead := lostFrom(e)
			switch {
			case dead && from != fmt.Sprint(e.Seq):
				t.Fatalf("tombstone %d is from %s", e.Seq, from)
			case dead:
				lost++
			case !bytes.Equal(e.Payload, payload(int(e.Seq), size+int(e.Seq-1)%3)):
				t.Fatalf("record %d is %q", e.Seq, e.Payload)
			}
		}
		entries = append(entries, got...)
	}
	if s := o.state(); s.Unreadable != uint64(lost) || s.Durable != after {
		t.Fatalf("%d tombstones up to %d, state %+v", lost, after, s)
	}
	return entries, lost
}

func TestTornTailAtEveryByte(t *testing.T) {
	dir, name := written(t, 5, 30, Options{})
	path := segmentPath(filepath.Join(dir, "origins", name), 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := int(frameSize(whole[4*headerSize+30+31+32+30:]))
	for cut := 0; cut <= last; cut++ {
		for _, zeros := range []int{0, 1, cut, cut + 100, 100_000} { // the file's end, or the zeros it was filled with
			torn := append(bytes.Clone(whole[:len(whole)-cut]), make([]byte, zeros)...)
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			quieten(t, dir, name)
			o, err := oldOrigin(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			entries, lost := survivors(t, o, 30)
			want := 4
			if cut == 0 {
				want = 5
			}
			if len(entries) != want || lost != 0 {
				t.Fatalf("cut %d, %d zeros: %d records, %d lost", cut, zeros, len(entries), lost)
			}
			left, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.TrimRight(left, "\x00"), bytes.TrimRight(torn, "\x00")) {
				t.Fatalf("cut %d, %d zeros: more than zeros was cut off", cut, zeros)
			}
			if zeros > 0 && cut == 0 && len(left) != len(whole) {
				t.Fatalf("%d zeros: %d bytes are left of %d", zeros, len(left), len(whole))
			}
		}
	}
}

func TestBitFlips(t *testing.T) {
	const n, size = 200, 100
	dir, name := written(t, n, size, Options{SegmentBytes: 8 << 10})
	paths, err := filepath.Glob(filepath.Join(dir, "origins", name, "*"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("segments %v, %v", paths, err)
	}
	var whole [][]byte
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, b)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for trial := range 1000 {
		flips := 1
		if trial%10 == 9 {
			flips = 20
		}
		hit := make(map[int]bool)
		damaged := make(map[int][]byte)
		for range flips {
			s := random.IntN(len(whole))
			at := random.IntN(len(whole[s]))
			hit[recordAt(whole[s], at)] = true
			if damaged[s] == nil {
				damaged[s] = bytes.Clone(whole[s])
			}
			damaged[s][at] ^= 1 << random.IntN(8)
		}
		for i, b := range damaged {
			if err := overwrite(paths[i], 0, b); err != nil {
				t.Fatal(err)
			}
		}
		o, err := oldOrigin(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		entries, lost := survivors(t, o, size)
		end := n
		for hit[end] { // damage at the very end is a torn tail
			delete(hit, end)
			end--
		}
		// Two flips may cancel each other out, one in a million.
		if len(entries) != end || lost != len(hit) {
			t.Fatalf("trial %d: hit %v, %d entries, %d lost", trial, hit, len(entries), lost)
		}
		for seq := range hit {
			if _, dead := lostFrom(entries[seq-1]); !dead {
				t.Fatalf("trial %d: record %d survived", trial, seq)
			}
		}
		for i := range damaged {
			if err := overwrite(paths[i], 0, whole[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// recordAt returns the number of the record that covers the byte.
func recordAt(segment []byte, at int) int {
	for off := 0; ; {
		seq, size, _ := header(segment[off:])
		if at < off+size {
			return int(seq)
		}
		off += size
	}
}

func TestDamagedFiles(t *testing.T) {
	const n, size = 60, 500
	for _, test := range []struct {
		name string
		harm func(segments []string) error
		lost bool
		all  bool // nothing at all is lost
	}{
		{"missing in the middle", func(s []string) error { return os.Remove(s[2]) }, true, false},
		{"cut short in the middle", func(s []string) error { return os.Truncate(s[1], 1000) }, true, false},
		{"emptied in the middle", func(s []string) error { return os.Truncate(s[1], 0) }, true, false},
		{"swapped", func(s []string) error { return swap(s[1], s[2]) }, false, true},
		{"first and last swapped", func(s []string) error { return swap(s[0], s[len(s)-1]) }, false, true},
		{"renamed to no number", func(s []string) error { return os.Rename(s[1], s[1][:len(s[1])-10]+"x"+suffix) }, false, true},
		{"copied under another number", func(s []string) error { return copyFile(s[1], segmentPath(filepath.Dir(s[1]), firstOf(s[1])+1)) }, false, true},
		{"zeroed in the middle", func(s []string) error { return overwrite(s[1], 700, make([]byte, 1500)) }, true, false},
		{"noise in the middle", func(s []string) error { return overwrite(s[1], 700, payload(1, 1500)) }, true, false},
		{"noise at the start", func(s []string) error { return overwrite(s[0], 0, payload(1, 1500)) }, true, false},
		{"noise at the end of a segment", func(s []string) error { return overwrite(s[1], 6000, payload(1, 1500)) }, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, name := written(t, n, size, Options{SegmentBytes: 8 << 10})
			segments, err := filepath.Glob(filepath.Join(dir, "origins", name, "*"))
			if err != nil || len(segments) < 4 {
				t.Fatalf("segments %v, %v", segments, err)
			}
			if err := test.harm(segments); err != nil {
				t.Fatal(err)
			}
			o, err := oldOrigin(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			entries, lost := survivors(t, o, size)
			if len(entries) != n || test.all && lost > 0 || test.lost && (lost == 0 || lost > 20) {
				t.Fatalf("%d entries, %d lost", len(entries), lost)
			}
		})
	}
}

func swap(a, b string) error {
	for _, step := range [][2]string{{a, a + ".tmp"}, {b, a}, {a + ".tmp", b}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(src, dst string) error {
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return os.WriteFile(dst, b, 0o600)
}

func overwrite(path string, off int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, off)
	return errors.Join(err, f.Close())
}

func TestASegmentOfAnotherOriginIsNotBelieved(t *testing.T) {
	const n, size = 30, 500
	dir, name := written(t, n, size, Options{SegmentBytes: 8 << 10})
	otherDir, other := written(t, n, size, Options{SegmentBytes: 8 << 10})
	mine := segmentPath(filepath.Join(dir, "origins", name), 1)
	if err := copyFile(segmentPath(filepath.Join(otherDir, "origins", other), 1), mine); err != nil {
		t.Fatal(err)
	}
	o, err := oldOrigin(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	entries, lost := survivors(t, o, size)
	if len(entries) != n || lost == 0 || lost == n {
		t.Fatalf("%d entries, %d lost", len(entries), lost)
	}
}

// TestRotUnderALiveReader damages a record of the live segment, and then of an old one, after they were known to be good.
func TestRotUnderALiveReader(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	name := live(t, j)
	const size, frame = 100, headerSize + 100
	for i := range 10 {
		put(t, j, payload(i+1, size))
	}
	if got := readAll(t, j, name, 0, 1); len(got) != 10 {
		t.Fatalf("%d records", len(got))
	}
	path := segmentPath(filepath.Join(dir, "origins", name), 1)
	check := func(n int, dead ...uint64) {
		t.Helper()
		entries := readAll(t, j, name, 0, 250)
		if len(entries) != n {
			t.Fatalf("%d entries", len(entries))
		}
		for _, e := range entries {
			if _, lost := lostFrom(e); lost != slices.Contains(dead, e.Seq) {
				t.Fatalf("record %d: lost %v", e.Seq, lost)
			}
		}
		if s := state(t, j, name); s.Unreadable != uint64(len(dead)) {
			t.Fatalf("%+v", s)
		}
	}
	if err := overwrite(path, 3*frame+50, []byte("rot")); err != nil {
		t.Fatal(err)
	}
	check(10, 4)
	if err := overwrite(path, 9*frame+50, []byte("rot")); err != nil { // the last durable one is no torn tail here
		t.Fatal(err)
	}
	check(10, 4, 10)
	put(t, j, payload(11, size), payload(12, size))
	check(12, 4, 10)
	closeJournal(t, j)

	j = open(t, dir, Options{})
	check(12, 4, 10)
	if err := overwrite(path, 0, []byte("rot")); err != nil {
		t.Fatal(err)
	}
	check(12, 1, 4, 10)
	if err := j.Truncate(name, 12); err != nil { // what is on disk has changed since it was read
		if !errors.Is(err, errChanged) {
			t.Fatal(err)
		}
		if err := j.Truncate(name, 12); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filepath.Join(dir, "damaged", name+"-"+filepath.Base(path)))
	if err != nil || !bytes.HasPrefix(kept, []byte("rot")) {
		t.Fatalf("the damaged segment was not kept: %v", err)
	}
	if s := j.Stats(); s.Bytes != onDisk(t, dir) || s.Origins != 1 {
		t.Fatalf("%+v, %d bytes on disk", s, onDisk(t, dir))
	}
}

func TestReadingBesideTheWriter(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 32 << 10})
	name := live(t, j)
	const n = 3000
	go func() {
		for i := range n {
			for {
				_, err := j.Append(payload(i+1, 100))
				if err == nil {
					break
				}
				if !errors.Is(err, ErrQueueFull) {
					t.Error(err)
					return
				}
			}
		}
	}()
	after := uint64(0)
	deadline := time.After(patience)
	for after < n {
		entries, err := j.Read(name, after, 3000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Seq != after+1 || !bytes.Equal(e.Payload, payload(int(e.Seq), 100)) {
				t.Fatalf("%d after %d: %q", e.Seq, after, e.Payload)
			}
			after = e.Seq
		}
		if len(entries) == 0 {
			select {
			case <-j.Committed():
			case <-deadline:
				t.Fatalf("nothing after %d", after)
			}
		}
		if err := j.Truncate(name, max(after, 500)-500); err != nil {
			t.Fatal(err)
		}
	}
	if s := state(t, j, name); s.Base == 0 || s.Unreadable != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestAnOlderCopyIsAnOriginLikeAnyOther restores a copy of the folder that was made while the journal was running.
func TestAnOlderCopyIsAnOriginLikeAnyOther(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	name := live(t, j)
	put(t, j, payload(1, 10), payload(2, 10))
	older := copyDir(t, dir)
	put(t, j, payload(3, 10))
	closeJournal(t, j)

	j = open(t, older, Options{})
	if s := state(t, j, name); s.Durable != 2 || s.Live {
		t.Fatalf("%+v", s)
	}
	if live(t, j) == name {
		t.Fatal("an origin was opened twice")
	}
	// The ledger is ahead of this disk. Reading there gives nothing, and a cursor beyond the end settles it.
	if got, err := j.Read(name, 3, 100); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	if err := j.Truncate(name, 3); err != nil {
		t.Fatal(err)
	}
	if got := j.Origins(); len(got) != 1 {
		t.Fatalf("origins %v", got)
	}
}
