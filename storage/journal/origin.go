package journal

import (
	"fmt"
	"log/slog"
	"os"
	"sort"
	"sync"
	"sync/atomic"
)

// origin is what the journal knows of one origin.
type origin struct {
	name    string
	dir     string
	log     *slog.Logger
	release func(int64)     // takes note of disk space given back
	stop    <-chan struct{} // closed when the journal closes: scans give up

	waiting atomic.Bool // the last read could not find or open a segment

	reading  sync.Mutex // held while segments are read, scanned, scrubbed or removed; guards the fields below it
	listed   bool
	loaded   bool
	synced   bool
	place    place // where the last Read ended
	scrubbed place // where the last step of Scrub ended
	marked   bool  // the file that says disowned is there
	markedTo uint64

	mu            sync.Mutex // guards what follows, for moments only: the writer needs it
	own           bool       // begun by this process
	disowned      bool       // another copy of this process writes it too
	moved         uint64     // up to here its records have another place
	live          bool       // being written
	base, durable uint64     // truncated up to; to be read up to
	segments      []*segment // in the order of their names
	runs          []run      // in the order of their numbers, without overlap
}

// State is what is known of an origin.
type State struct {
	Base       uint64 // records up to here are truncated
	Durable    uint64 // records up to here can be read; of an origin of an earlier process the highest that is on disk
	Live       bool   // it is being written
	Disowned   bool   // another copy of this process writes it too (Disown)
	Moved      uint64 // of a disowned origin: records up to here have another place
	Bytes      int64  // size of its segments
	Unreadable uint64 // numbers between Base and Durable that are read as tombstones
}

// State returns the origin's state. The first call for an origin of an earlier process reads it whole.
func (j *Journal) State(name string) (State, error) {
	var s State
	err := j.with(name, func(o *origin) error {
		o.reading.Lock()
		defer o.reading.Unlock()
		if err := o.load(); err != nil {
			return err
		}
		s = o.state()
		return nil
	})
	return s, err
}

// with calls f for an origin while the journal is open.
func (j *Journal) with(name string, f func(*origin) error) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return ErrClosed
	}
	j.mu.Lock()
	o := j.origins[name]
	j.mu.Unlock()
	if o == nil {
		return fmt.Errorf("%w: %s", ErrNoOrigin, name)
	}
	if err := f(o); err != nil {
		return fmt.Errorf("origin %s: %w", name, err)
	}
	return nil
}

func (o *origin) state() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := State{Base: o.base, Durable: o.durable, Live: o.live, Disowned: o.disowned, Moved: o.moved, Unreadable: o.missing()}
	for _, seg := range o.segments {
		s.Bytes += seg.size
	}
	return s
}

// missing counts the numbers that no run holds.
func (o *origin) missing() uint64 {
	n := o.durable - o.base
	for _, r := range o.runs {
		n -= r.last + 1 - r.first
	}
	return n
}

func (o *origin) bounds() (base, durable uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.base, o.durable
}

// find returns the run that holds the number, or else the first behind it.
func (o *origin) find(seq uint64) (run, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := sort.Search(len(o.runs), func(i int) bool { return o.runs[i].last >= seq })
	if i == len(o.runs) {
		return run{}, false
	}
	return o.runs[i], true
}

// addSegment adds the segment that is written from now on.
func (o *origin) addSegment(path string, first uint64, size int64) *segment {
	seg := &segment{path: path, first: first, last: first - 1, size: size}
	if info, err := os.Stat(path); err == nil && os.SameFile(info, info) { // Windows asks which file it is only when it compares
		seg.opened = info // without which what is found there later is believed
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.segments); n > 0 && o.segments[n-1].path == path {
		o.segments[n-1] = seg // the one before was too small for a first record
		return seg
	}
	o.segments = append(o.segments, seg)
	return seg
}

// advance lets the reader see records that have become durable.
func (o *origin) advance(seg *segment, off, end int64, first, last uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.runs); n > 0 && o.runs[n-1].seg == seg && o.runs[n-1].end == off && o.runs[n-1].last+1 == first {
		o.runs[n-1].end, o.runs[n-1].last = end, last
	} else {
		o.runs = append(o.runs, run{seg, off, end, first, last})
	}
	seg.last, o.durable = last, last
}

func (o *origin) resize(seg *segment, size int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seg.size = size
}

// end says that no record will be added. What can be read stays what was durable until now.
func (o *origin) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.live = false
}

// extent returns how many bytes of the segment hold durable records, and the last of them. Of an earlier process's
// segment it is the whole file.
func (o *origin) extent(seg *segment) (end int64, last uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.own {
		return seg.size, seg.last
	}
	for _, r := range o.runs {
		if r.seg == seg {
			end = max(end, r.end)
		}
	}
	return end, seg.last
}

// replace puts what a scan found up to end, where last was the last record, in the place of the segment's runs. What the
// writer has added behind end meanwhile stays.
func (o *origin) replace(seg *segment, found []run, end int64, last uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.missing()
	runs := found
	for _, r := range o.runs {
		if r.seg != seg {
			runs = append(runs, r)
		} else if r.end > end {
			runs = append(runs, run{seg, max(r.off, end), r.end, max(r.first, last+1), r.last})
		}
	}
	o.runs = arrange(runs, o.base, o.durable)
	seg.damaged = true
	if after := o.missing(); after > before {
		unreadable.Add(float64(after - before))
	}
}
