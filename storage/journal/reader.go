package journal

import (
	"errors"
	"fmt"
	"os"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// lostReason stands in tombstones for records that the disk no longer gives back.
const lostReason = "unreadable in the journal"

// truncatedReason stands in tombstones for records that were truncated before the ledger fell back.
const truncatedReason = "no longer in the journal"

// Read returns the entries of the origin from after+1 on, as many as fit into maxBytes of payload but at least one if any
// is durable. Their numbers have no gap: for each record that cannot be read there is a tombstone. When records that follow
// after were truncated, the first entry is one tombstone for all of them, numbered State.Base. Reading on from the last
// entry is cheap; any other place works too. Payloads may share memory and must not be written to.
func (j *Journal) Read(name string, after uint64, maxBytes int) ([]tracker.Entry, error) {
	var entries []tracker.Entry
	err := j.with(name, func(o *origin) (err error) {
		entries, err = o.read(after, maxBytes)
		return err
	})
	return entries, err
}

// page collects the entries of one Read.
type page struct {
	entries []tracker.Entry
	room    int
}

func (p *page) add(seq uint64, payload []byte) {
	p.entries = append(p.entries, tracker.Entry{Seq: seq, Payload: payload})
	p.room -= len(payload)
}

func (p *page) full() bool { return len(p.entries) > 0 && p.room <= 0 }

// place is where the record of that number begins.
type place struct {
	seg *segment
	off int64
	seq uint64
}

// usualRecord is about the size in bytes of a record; a page of smaller ones grows.
const usualRecord = 256

var errBroken = errors.New("a record that was readable is no longer")

// read notes whether the origin's records wait for a segment that cannot be found or opened. Such a segment is not damaged:
// whoever has moved it, or mounted something over its folder, can put it back.
func (o *origin) read(after uint64, maxBytes int) ([]tracker.Entry, error) {
	entries, err := o.readPage(after, maxBytes)
	o.waiting.Store(err != nil && !errors.Is(err, ErrClosed))
	return entries, err
}

func (o *origin) readPage(after uint64, maxBytes int) ([]tracker.Entry, error) {
	o.reading.Lock()
	defer o.reading.Unlock()
	if err := o.load(); err != nil {
		return nil, err
	}
	base, durable := o.bounds()
	if after >= durable {
		return nil, nil
	}
	p := page{room: maxBytes, entries: make([]tracker.Entry, 0, min(durable-after, uint64(max(maxBytes, 0)/usualRecord+1)))}
	want := after + 1
	if want <= base {
		p.add(base, tracker.AppendLost(nil, want, truncatedReason))
		want = base + 1
	}
	rescanned := false
	for want <= durable && !p.full() {
		r, ok := o.find(want)
		if !ok || want < r.first {
			p.add(want, tracker.AppendLost(nil, want, lostReason))
			want++
			continue
		}
		next, err := o.readRun(r, want, &p)
		if errors.Is(err, errBroken) && !rescanned {
			rescanned, err = true, o.rescan(r.seg)
		}
		if err != nil && len(p.entries) > 0 {
			break // what was read is good; the next call meets the error again
		}
		if err != nil {
			return nil, err
		}
		want = next
	}
	return p.entries, nil
}

// readRun adds the run's records from want on to the page, as far as there is room, and returns the number that is next. It
// returns errBroken, and what it has read stays, when a record does not verify any more.
func (o *origin) readRun(r run, want uint64, p *page) (next uint64, err error) {
	f, err := openSegment(r.seg.path, os.O_RDONLY)
	if err != nil {
		return want, err
	}
	defer f.Close()
	off := r.off
	if o.place.seg == r.seg && o.place.seq == want {
		off = o.place.off
	}
	w := window{r: f, end: r.end, size: min(max(p.room, 0), scanChunk) + maxFrame, keep: true}
	for want <= r.last && !p.full() {
		b, err := w.at(off, maxFrame)
		if err != nil {
			return want, fmt.Errorf("reading segment %s: %w", r.seg.path, err)
		}
		seq, size, ok := header(b)
		if !ok || seq > want || !verify(b[:size], o.name, seq) {
			return want, errBroken
		}
		if seq == want {
			p.add(seq, b[headerSize:size:size])
			want++
		}
		off += int64(size)
	}
	o.place = place{r.seg, off, want}
	return want, nil
}

// rescan looks again at a segment that no longer holds what it held. Another file in its place, an older copy say, tells nothing
// of what this one holds.
func (o *origin) rescan(seg *segment) error {
	if there, err := os.Stat(seg.path); seg.opened != nil && (err != nil || !os.SameFile(there, seg.opened)) {
		return fmt.Errorf("%w: another file is in the place of segment %s", ErrGone, seg.path)
	}
	end, last := o.extent(seg)
	found, err := o.scan(seg, end)
	if err != nil {
		return err
	}
	o.log.Error("the journal's disk has damaged a segment", "path", seg.path)
	o.place, o.scrubbed = place{}, place{}
	o.replace(seg, found.runs, end, last)
	return nil
}
