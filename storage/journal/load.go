package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// findOrigins takes stock of the origins of earlier processes. One that the disk does not give back is kept, for its methods
// to return the error, and keeps nobody from using the others.
func (j *Journal) findOrigins() error {
	parent := filepath.Join(j.dir, "origins")
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("reading the journal's folder: %w", err)
	}
	for _, e := range entries {
		id, err := tracker.ParseSessionID(e.Name())
		if err != nil || id.String() != e.Name() || !e.IsDir() {
			continue
		}
		o := &origin{name: e.Name(), dir: filepath.Join(parent, e.Name()), log: j.log, release: j.release, stop: j.stop}
		empty, err := o.adopt()
		if err != nil {
			j.log.Error("an origin of an earlier process cannot be read: its records wait until the disk gives them back",
				"origin", o.name, "error", err)
		}
		if !empty {
			j.origins[o.name] = o
		}
	}
	return syncDir(parent)
}

// adopt lists and fsyncs an origin of an earlier process, and removes one in which nothing was ever written.
func (o *origin) adopt() (empty bool, err error) {
	if err := o.sync(); err != nil {
		return false, err
	}
	return o.removeEmpty()
}

// list finds the origin's segments.
func (o *origin) list() error {
	if o.listed {
		return nil
	}
	entries, err := os.ReadDir(o.dir) // sorted by name
	if err != nil {
		return fmt.Errorf("reading folder of origin: %w", err)
	}
	var segments []*segment
	size := int64(0)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		path := filepath.Join(o.dir, e.Name())
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("looking at segment: %w", err)
		}
		if !info.Mode().IsRegular() { // a link, say, to where somebody has moved it: its records are not lost
			return fmt.Errorf("segment %s: %w", path, errNoFile)
		}
		segments = append(segments, &segment{path: path, first: firstOf(path), size: info.Size(), changed: info.ModTime()})
		size += info.Size()
	}
	if err := o.readMark(); err != nil {
		return err
	}
	o.mu.Lock()
	o.segments = segments
	o.mu.Unlock()
	o.listed = true
	o.release(-size)
	return nil
}

var errNoFile = errors.New("not a regular file")

// sync lists what an earlier process has written and fsyncs it, before anybody reads it: a record that was only in the page
// cache when a process died could be shipped now and vanish at the next power cut.
func (o *origin) sync() error {
	if o.synced {
		return nil
	}
	if err := o.list(); err != nil {
		return err
	}
	for _, seg := range o.segments {
		if o.stopping() {
			return ErrClosed
		}
		f, err := openSegment(seg.path, os.O_RDWR)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("fsyncing segment %s: %w", seg.path, err)
		}
	}
	if err := syncDir(o.dir); err != nil {
		return fmt.Errorf("fsyncing folder %s: %w", o.dir, err)
	}
	o.synced = true
	return nil
}

// load reads an origin of an earlier process whole: what it holds, what of it is damaged.
func (o *origin) load() error {
	if o.loaded {
		return nil
	}
	if err := o.sync(); err != nil {
		return err
	}
	var runs []run
	for i, seg := range o.segments {
		if err := o.measure(seg); err != nil {
			return err
		}
		found, err := o.scan(seg, seg.size)
		if err != nil {
			return err
		}
		seg.damaged = found.bad || found.torn && i < len(o.segments)-1
		runs = append(runs, found.runs...)
		if err := o.trim(seg, found.data); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.survey(runs)
	o.loaded = true
	if n := o.missing(); n > 0 {
		unreadable.Add(float64(n))
		o.log.Error("records of the journal are unreadable and go on as lost", "origin", o.name, "records", n)
	}
	return nil
}

// survey derives from the records found, and from the segments' names, from where to where the origin goes. A segment's
// name counts: everything below it was durable before it was begun.
func (o *origin) survey(runs []run) {
	low, high := uint64(maxSeq), uint64(0)
	for _, seg := range o.segments {
		if seg.first > 0 {
			low, high = min(low, seg.first), max(high, seg.first-1)
		}
	}
	for _, r := range runs {
		low, high = min(low, r.first), max(high, r.last)
		r.seg.last = max(r.seg.last, r.last)
	}
	o.base, o.durable = min(low-1, high), high
	o.runs = arrange(runs, o.base, o.durable)
	next := high
	for _, seg := range slices.Backward(o.segments) {
		seg.last = max(seg.last, next)
		if seg.first > 0 {
			next = seg.first - 1
		}
	}
}

// arrange brings runs into the order of their numbers and takes out what is there twice or outside of base … durable.
func arrange(runs []run, base, durable uint64) []run {
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	var out []run
	last := base
	for _, r := range runs {
		r.first, r.last = max(r.first, last+1), min(r.last, durable)
		if r.first <= r.last {
			out = append(out, r)
			last = r.last
		}
	}
	return out
}

// scan looks at the first end bytes of the segment. It gives up when the journal closes.
func (o *origin) scan(seg *segment, end int64) (scanned, error) {
	f, err := openSegment(seg.path, os.O_RDONLY)
	if err != nil {
		return scanned{}, err
	}
	defer f.Close()
	found, err := scan(untilStop{f, o}, o.name, end)
	if err != nil {
		return scanned{}, fmt.Errorf("reading segment %s: %w", seg.path, err)
	}
	for i := range found.runs {
		found.runs[i].seg = seg
	}
	return found, nil
}

// untilStop reads a segment until the journal closes.
type untilStop struct {
	r io.ReaderAt
	o *origin
}

// ReadAt implements io.ReaderAt.
func (u untilStop) ReadAt(p []byte, off int64) (int, error) {
	if u.o.stopping() {
		return 0, ErrClosed
	}
	return u.r.ReadAt(p, off)
}

func (o *origin) stopping() bool {
	select {
	case <-o.stop:
		return true
	default:
		return false
	}
}

// trim cuts the zeros behind the segment's data off, which a killed process has left. A file that was written to a moment
// ago stays whole, in case a lock that does not work has let us in beside its writer.
func (o *origin) trim(seg *segment, data int64) error {
	if data >= seg.size || time.Since(seg.changed) < time.Second || !seg.unchanged() {
		return nil
	}
	if err := os.Truncate(seg.path, data); err != nil {
		return fmt.Errorf("cutting a segment to its written length: %w", err)
	}
	return o.measure(seg)
}

// measure notes the segment's size and time of the moment.
func (o *origin) measure(seg *segment) error {
	info, err := os.Stat(seg.path)
	if err != nil {
		return fmt.Errorf("looking at segment: %w", notFound(err))
	}
	seg.changed = info.ModTime()
	o.release(seg.size - info.Size())
	o.resize(seg, info.Size())
	return nil
}

// unchanged reports whether the file is as it was when it was scanned, or gone.
func (seg *segment) unchanged() bool {
	info, err := os.Stat(seg.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return info.Size() == seg.size && info.ModTime().Equal(seg.changed)
}
