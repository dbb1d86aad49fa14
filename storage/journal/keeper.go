package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// spare is the segment that comes next, filled ahead of its use.
type spare struct {
	size int64
	done chan struct{} // closed when it is filled or err is set
	err  error
}

// ready reports whether the spare can be used; with wait it waits for that.
func (s *spare) ready(wait bool) bool {
	if wait {
		<-s.done
	}
	select {
	case <-s.done:
		return s.err == nil
	default:
		return false
	}
}

// keep is the keeper: it fills the next segment and begins a new origin after a failure, once a second until it succeeds.
func (j *Journal) keep() {
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	told, full := false, false
	for {
		select {
		case <-j.stop:
			return
		case <-j.chores:
		case <-again.C:
		}
		err := j.chore()
		if full = j.sayFull(full); full {
			again.Reset(j.o.retry) // room may come by itself, when somebody clears the disk
		}
		if err == nil {
			told = false
			continue
		}
		if !told && !full && !errors.Is(err, errTooSoon) && !errors.Is(err, errStopped) {
			told = true
			j.log.Error("the journal cannot make room for records", "dir", j.dir, "error", err)
		}
		again.Reset(j.o.retry)
	}
}

// sayFull logs when records begin to be refused for want of room, and when there is some again. said is what it said last.
func (j *Journal) sayFull(said bool) (full bool) {
	j.mu.Lock()
	full = j.full() && (said || j.capped || j.tail == nil) || said && !j.space.dry.IsZero() // until the disk has made room
	if !full {
		j.capped = false
	}
	bytes, most, dry := j.space.disk, j.space.max, !j.space.dry.IsZero()
	j.mu.Unlock()
	switch {
	case full && !said:
		j.log.Error("the journal has no room: clicks are not recorded until the ledger settles or the disk is cleared",
			"dir", j.dir, "bytes", bytes, "max_size", most, "disk_full", dry)
	case said && !full:
		j.log.Info("the journal has room again: clicks are recorded", "dir", j.dir)
	}
	return full
}

func (j *Journal) chore() error {
	j.mu.Lock()
	failed, wish, spare := j.tail == nil, j.wish, j.spare
	j.mu.Unlock()
	switch {
	case failed:
		return j.begin()
	case wish > 0 && spare == nil:
		return j.prepare(wish)
	}
	return nil
}

// prepare fills the spare. At the cap it leaves it: the writer makes smaller segments of what is left.
func (j *Journal) prepare(size int64) error {
	s := &spare{size: size, done: make(chan struct{})}
	defer close(s.done)
	j.mu.Lock()
	ok := j.space.reserve(size)
	if ok {
		j.spare = s
	}
	j.mu.Unlock()
	if !ok {
		return nil
	}
	err := j.home.check()
	if err == nil {
		err = j.fillSpare(size)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		j.space.dry = time.Time{}
		return nil
	}
	j.spare = nil
	s.err = j.space.refused(size, err)
	return s.err
}

func (j *Journal) fillSpare(size int64) error {
	f, err := createSegment(j.sparePath(), size, j.o.wrap, j.stop)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncParents(j.sparePath()))
}

var errTooSoon = errors.New("waiting before the next origin")

// begin opens a new origin, durably, before anything is written to it.
func (j *Journal) begin() error {
	if err := j.home.check(); err != nil {
		return j.refuse(fmt.Errorf("beginning an origin: %w", err))
	}
	size := min(firstSegment, j.o.SegmentBytes)
	j.mu.Lock()
	tooSoon := time.Since(j.begun) < j.o.retry
	ok := !tooSoon && j.space.reserve(size)
	j.mu.Unlock()
	if tooSoon {
		return errTooSoon
	}
	if !ok {
		return j.refuse(ErrFull)
	}
	name := tracker.NewSessionID(time.Now()).String()
	t, err := j.makeOrigin(name, size)
	j.mu.Lock()
	if err != nil {
		err = j.space.refused(size, err)
		j.mu.Unlock()
		return j.refuse(fmt.Errorf("beginning origin %s: %w", name, err))
	}
	j.origins[name] = t.origin
	j.tail, j.begun = t, time.Now()
	j.space.dry = time.Time{}
	if !errors.Is(j.refusal, ErrClosed) {
		j.refusal = nil
	}
	j.mu.Unlock()
	return nil
}

// refuse tells Append why there is no origin to write to.
func (j *Journal) refuse(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case errors.Is(j.refusal, ErrClosed):
	case errors.Is(err, ErrFull):
		j.refusal = ErrFull
	default:
		j.refusal = ErrUnavailable
	}
	return err
}

func (j *Journal) makeOrigin(name string, size int64) (*tail, error) {
	dir := filepath.Join(j.dir, "origins", name)
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := segmentPath(dir, 1)
	f, err := createSegment(path, size, j.o.wrap, j.stop)
	if err == nil {
		err = syncParents(path)
	}
	if err != nil {
		os.Remove(path)
		os.Remove(dir)
		return nil, err
	}
	o := &origin{name: name, dir: dir, log: j.log, release: j.release, stop: j.stop, own: true, live: true, loaded: true}
	return &tail{origin: o, seg: o.addSegment(path, 1, size), file: f, size: size, next: 1}, nil
}

// release takes note of n bytes that segments no longer occupy, which may end a want of space.
func (j *Journal) release(n int64) {
	j.mu.Lock()
	j.space.release(n)
	j.space.dry = time.Time{}
	j.mu.Unlock()
	signal(j.chores)
}
