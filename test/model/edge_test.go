//go:build unix

package model_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// segmentBytes holds four or five records, so that segments are often full, and forgotten.
const segmentBytes = 1 << 10

// edge is the process that takes clicks.
type edge struct {
	dir     string
	journal *journal.Journal
	live    string
	relay   *relay.Relay // nil in direct mode
	line    *line
	shipper *forward.Shipper
}

// disk is what the folder holds, as the model has it, by origin. What was truncated is not taken out: a journal that
// truncates what is still needed is to be found out.
type disk map[string]*written

type written struct {
	last   uint64
	rotten map[uint64]bool // numbers whose record was damaged
}

func (d disk) clone() disk {
	c := disk{}
	for name, w := range d {
		c[name] = &written{last: w.last, rotten: map[uint64]bool{}}
		for n := range w.rotten {
			c[name].rotten[n] = true
		}
	}
	return c
}

// image is a copy of the folder.
type image struct {
	dir  string
	disk disk
}

// startEdge opens the folder as a new process does.
func (m *machine) startEdge(dir string) {
	time.Sleep(10 * time.Millisecond) // origins are in the order of their beginning
	j, err := journal.Open(dir, journal.Options{SegmentBytes: segmentBytes})
	m.must(err)
	e := &edge{dir: dir, journal: j}
	if m.server != nil {
		e.relay, e.line = m.openRelay()
		e.shipper = forward.NewShipper(j, e.relay, quiet)
	}
	m.edge = e
	m.follow()
	if m.server == nil { // it applies as well
		for i := range m.hubs {
			m.hubs[i] = m.restart(m.hubs[i])
		}
	}
}

// follow notes the origin that is written now, and what the shipper has written to it: it begins another when it takes itself
// for a copy, and what it moves there has two places then.
func (m *machine) follow() {
	live, ok := m.edge.journal.Live()
	if !ok {
		m.t.Fatal("the journal has no origin to write to")
	}
	if live != m.edge.live {
		m.forked = m.forked || m.edge.live != ""
		m.edge.live = live
		m.origins = append(m.origins, live)
		m.disk[live] = &written{rotten: map[uint64]bool{}}
	}
	copied, err := m.edge.journal.Read(live, m.disk[live].last, 1<<30)
	m.must(err)
	for _, entry := range copied {
		for _, r := range m.records {
			if r.id.String() == tracker.RecordID(entry.Payload) {
				r.places = append(r.places, place{live, entry.Seq})
			}
		}
		m.disk[live].last = entry.Seq
	}
}

// click appends n records and waits until they are durable. With acked they count as promised.
func (m *machine) click(n int, acked bool) {
	for range n {
		r := &record{n: len(m.records) + 1, id: tracker.NewSessionID(time.Now()), acked: acked}
		s := tracker.Session{
			ID: r.id, Network: tracker.DefaultNetwork, Code: []string{"demo", "other"}[r.n%2], Time: time.Now(),
			Class: tracker.ClassHuman, IP: "203.0.113.7", Host: "shop.example.com", Route: "/", Query: "via=demo", Param: "via",
		}
		ticket, err := m.edge.journal.Append(s.AppendRecord(nil))
		m.must(err)
		m.must(ticket.Wait(time.Minute))
		m.mirror(s)
		w := m.disk[m.edge.live]
		w.last++
		r.places = []place{{m.edge.live, w.last}}
		m.records = append(m.records, r)
	}
}

// stopEdge ends the process and returns a copy of its folder as it was at that moment: the real one goes on to be closed.
func (m *machine) stopEdge() (dir string) {
	dir = m.copyFolder()
	m.must(m.edge.close())
	m.must(os.RemoveAll(m.edge.dir))
	return dir
}

func (e *edge) close() error {
	err := e.journal.Close()
	if e.relay != nil {
		err = errors.Join(err, e.relay.Close())
	}
	return err
}

// copyFolder copies all but what a new process makes anew. Its files are as old as the test's clock says.
func (m *machine) copyFolder() string {
	to := m.path("journal")
	old := time.Now().Add(-time.Minute)
	m.must(filepath.WalkDir(m.edge.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "lock" || d.Name() == "spare" {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, m.edge.dir))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(target, data, 0o600)
		}
		if err == nil {
			err = os.Chtimes(target, old, old)
		}
		return err
	}))
	return to
}

// crash kills the process while some clicks have no answer yet. Of these the disk has all, some, or the last one torn.
func (m *machine) crash() {
	before := m.disk[m.edge.live].last
	m.click(rapid.IntRange(0, 3).Draw(m.t, "clicks without an answer"), false)
	origin := m.edge.live
	dir := m.stopEdge()
	m.tear(dir, origin, before, rapid.IntRange(0, 600).Draw(m.t, "bytes torn off"))
	m.startEdge(dir)
}

// tear cuts that many bytes off the origin's written end, but none of the records up to keep, nor of an earlier segment: a
// segment is begun when what comes before it is durable.
func (m *machine) tear(dir, origin string, keep uint64, bytes int) {
	w, segment := m.disk[origin], ""
	for ; w.last > keep && bytes > 0; w.last-- {
		f, ok := m.find(dir, origin, w.last)
		if !ok {
			m.t.Fatal("a record that was just written is not in its folder")
		}
		if segment != "" && f.path != segment {
			return
		}
		segment = f.path
		data, err := os.ReadFile(f.path)
		m.must(err)
		size := min(bytes, f.size)
		clear(data[f.off+f.size-size : f.off+f.size])
		m.must(os.WriteFile(f.path, data, 0o600))
		bytes -= size
		m.forget(origin, w.last)
	}
}

// forget takes a record that nobody was promised, and that the disk lost, out of the account.
func (m *machine) forget(origin string, seq uint64) {
	for i, r := range m.records {
		if r.places[0] == (place{origin, seq}) {
			m.records = append(m.records[:i], m.records[i+1:]...)
			return
		}
	}
}

// frame is where a segment has a record.
type frame struct {
	path      string
	off, size int
}

// find looks for a record in a folder, byte by byte.
func (m *machine) find(dir, origin string, seq uint64) (frame, bool) {
	const header = 16
	paths, err := filepath.Glob(filepath.Join(dir, "origins", origin, "*.seg"))
	m.must(err)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		m.must(err)
		for off := 0; off+header < len(data); off++ {
			size := int(binary.BigEndian.Uint32(data[off:]))
			if binary.BigEndian.Uint64(data[off+8:]) != seq || size == 0 || size > len(data)-off-header {
				continue
			}
			if tracker.Checksum(origin, seq, data[off+header:off+header+size]) == binary.BigEndian.Uint32(data[off+4:]) {
				return frame{path, off, header + size}, true
			}
		}
	}
	return frame{}, false
}

// rot flips one bit of a record that is applied and still kept.
func (m *machine) rot() {
	origin := m.anOrigin()
	row, err := m.books.Origin(ctx, origin)
	m.must(err)
	w := m.disk[origin]
	if w == nil || min(row.Cursor, w.last) == 0 {
		return // nothing of it is applied
	}
	seq := rapid.Uint64Range(1, min(row.Cursor, w.last)).Draw(m.t, "number")
	f, ok := m.find(m.edge.dir, origin, seq)
	if !ok {
		return // it is not on the disk any more
	}
	bit := rapid.IntRange(0, 8*f.size-1).Draw(m.t, "bit")
	data, err := os.ReadFile(f.path)
	m.must(err)
	data[f.off+bit/8] ^= 1 << (bit % 8)
	m.must(overwrite(f.path, data[f.off:f.off+f.size], int64(f.off)))
	w.rotten[seq], m.rotted[place{origin, seq}] = true, true
	m.excuse()
}

// overwrite changes bytes of a file as a failing disk does: nothing else tells that it has changed.
func overwrite(path string, data []byte, off int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.WriteAt(data, off)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}

// photograph keeps a copy of the folder.
func (m *machine) photograph() {
	m.images = append(m.images, image{m.copyFolder(), m.disk.clone()})
}

// restore kills the process and starts it on an older copy of its folder.
func (m *machine) restore() {
	if len(m.images) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.images)-1).Draw(m.t, "copy")
	m.must(os.RemoveAll(m.stopEdge()))
	image := m.images[i]
	m.images = append(m.images[:i], m.images[i+1:]...)
	m.disk = image.disk
	m.startEdge(image.dir)
	m.excuse()
}
