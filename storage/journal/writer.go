package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// crowd is the number of records in flight from which on the writer lingers for a batch to fill: below it an fsync of its
// own is sooner done than the wait. Above it processors are short of time, and fewer fsyncs and wake-ups leave more of it.
const crowd = 16

// batch is a set of records that become durable with one fsync.
type batch struct {
	frames []byte
	count  int
	done   chan struct{} // closed when err is final
	err    error
	wanted atomic.Bool   // somebody waits for it, or it is on its way to the disk anyhow
	wake   chan struct{} // the journal's, as is the next
	timers *sync.Pool
}

func (j *Journal) newBatch(buf []byte) *batch {
	return &batch{frames: buf[:0], done: make(chan struct{}), wake: j.wake, timers: &j.timers}
}

// Ticket stands for an appended record.
type Ticket struct{ batch *batch }

// Wait waits until the record is fsynced, at most timeout; with none it only looks. It returns nil when the record is
// durable, ErrLate when it is not yet (it may still become so), and another error when it failed: ErrFull for want of disk
// space, else one that is ErrUnavailable.
func (t Ticket) Wait(timeout time.Duration) error {
	if t.batch == nil {
		return ErrUnavailable
	}
	select {
	case <-t.batch.done:
		return t.batch.err
	default:
	}
	if timeout <= 0 {
		return ErrLate
	}
	if t.batch.wanted.CompareAndSwap(false, true) {
		signal(t.batch.wake)
	}
	timer, _ := t.batch.timers.Get().(*time.Timer)
	if timer == nil {
		timer = time.NewTimer(timeout)
	} else {
		timer.Reset(timeout)
	}
	defer t.batch.timers.Put(timer)
	defer timer.Stop()
	select {
	case <-t.batch.done:
		return t.batch.err
	case <-timer.C:
		return ErrLate
	}
}

// Append copies payload into the batch that is filling and returns its ticket. It never waits for the disk: it returns
// ErrQueueFull when the disk does not keep up, ErrFull at the disk's cap, ErrUnavailable after a failed write until a new
// origin is open, ErrClosed, or ErrSize for a payload that is no record.
func (j *Journal) Append(payload []byte) (Ticket, error) {
	if len(payload) == 0 || len(payload) > tracker.MaxRecord {
		return Ticket{}, ErrSize
	}
	size := int64(headerSize + len(payload))
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.refusal != nil:
		return Ticket{}, j.refusal
	case j.queued > 0 && j.queued+size > j.o.QueueBytes:
		return Ticket{}, ErrQueueFull
	case !j.space.fits(j.queued + size):
		if !j.capped {
			j.capped = true
			signal(j.chores) // who says so, since a log may take its time
		}
		return Ticket{}, ErrFull
	}
	b := j.open
	b.frames = appendFrame(b.frames, payload)
	b.count++
	j.queued += size
	if b.count == 1 || b.count == j.target || j.queued > j.o.QueueBytes/2 {
		signal(j.wake)
	}
	return Ticket{b}, nil
}

// tail is the segment that is being written. Only the writer looks into it.
type tail struct {
	origin *origin
	seg    *segment
	file   file
	off    int64  // where the next frame goes
	next   uint64 // its number
	size   int64
	tried  int64 // up to here bytes of records may have been written
}

// write is the writer: the one goroutine that touches the live segment.
func (j *Journal) write() {
	lingering := time.NewTimer(time.Hour)
	defer lingering.Stop()
	inFlight := 0
	for {
		b, t := j.take(inFlight, lingering)
		if b == nil {
			return
		}
		inFlight = j.commit(b, t)
	}
}

// take waits for records and takes the batch that they filled. As long as nobody waits for the batch it lets it grow: a proxied
// click's record has the time that the upstream takes. When as many as a crowd were in flight it lingers until all are
// together: those who waited for the batch before are about to come back. It returns nil when the journal is closed and empty.
func (j *Journal) take(inFlight int, lingering *time.Timer) (*batch, *tail) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.open.count == 0 && !j.disown {
		if errors.Is(j.refusal, ErrClosed) {
			return nil, nil
		}
		j.mu.Unlock()
		<-j.wake
		j.mu.Lock()
	}
	j.linger(lingering, func() bool { return j.open.wanted.Load() || j.disown || j.queued > j.o.QueueBytes/2 })
	j.open.wanted.Store(true)
	if inFlight >= crowd {
		j.target = inFlight
		j.linger(lingering, func() bool { return j.open.count >= inFlight })
		j.target = 0
	}
	b := j.open
	j.open, j.idle = j.newBatch(j.idle), nil
	return b, j.tail
}

// linger waits until enough says so or the journal takes nothing more, at most Interval. The lock is held, and let go meanwhile.
func (j *Journal) linger(timer *time.Timer, enough func() bool) {
	for began := false; j.refusal == nil && !enough(); {
		if !began {
			timer.Reset(j.o.Interval)
			began = true
		}
		j.mu.Unlock()
		select {
		case <-j.wake:
		case <-timer.C:
			j.mu.Lock()
			return
		}
		j.mu.Lock()
	}
}

// commit makes the batch durable and says so to those who wait for it. It returns how many records were in flight: the
// batch's, and those that came meanwhile.
func (j *Journal) commit(b *batch, t *tail) (inFlight int) {
	rest := b.frames
	var err error
	if j.disowned() {
		err = j.end(t, errDisowned)
	}
	for len(rest) > 0 && err == nil {
		n, count := stamp(rest, t.origin.name, t.next, t.size-t.off)
		if n == 0 {
			err = j.rotate(t, frameSize(rest))
			continue
		}
		if err = j.persist(t, rest[:n]); err == nil {
			j.settle(t, n, count)
			rest = rest[n:]
		}
	}
	if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, errDisowned) {
		err = j.end(t, err)
	}
	if b.count > 0 {
		batchRecords.Observe(float64(b.count))
	}
	j.mu.Lock()
	j.queued -= int64(len(rest))
	j.idle = b.frames
	b.frames, b.err = nil, err
	inFlight = b.count + j.open.count
	j.mu.Unlock()
	close(b.done)
	return inFlight
}

// persist writes frames behind the last and fsyncs them. A file that somebody has removed or cut meanwhile is no place
// for a promise, whatever the fsync says.
func (j *Journal) persist(t *tail, frames []byte) error {
	t.tried = t.off + int64(len(frames))
	if _, err := t.file.WriteAt(frames, t.off); err != nil {
		return fmt.Errorf("writing segment %s: %w", t.seg.path, err)
	}
	start := time.Now()
	err := t.file.Sync()
	fsyncSeconds.Observe(time.Since(start).Seconds())
	if err == nil {
		err = t.file.Linked(t.size)
	}
	if err != nil {
		return fmt.Errorf("fsyncing segment %s: %w", t.seg.path, err)
	}
	return nil
}

// settle lets the reader see n bytes of frames that have become durable.
func (j *Journal) settle(t *tail, n int64, count uint64) {
	t.origin.advance(t.seg, t.off, t.off+n, t.next, t.next+count-1)
	t.off += n
	t.next += count
	records.Add(float64(count))
	writtenBytes.Add(float64(n))
	j.mu.Lock()
	j.queued -= n
	j.space.free -= n
	if t.off > t.size/2 && j.wish == 0 {
		j.wish = min(2*t.size, j.o.SegmentBytes)
		signal(j.chores)
	}
	j.mu.Unlock()
	signal(j.committed)
}

// rotate goes on to a segment that holds at least need bytes. ErrFull leaves the origin as it is.
func (j *Journal) rotate(t *tail, need int64) error {
	j.seal(t, t.off)
	path := segmentPath(t.origin.dir, t.next)
	f, size, err := j.takeSpare(path, need)
	if err == nil && f == nil {
		f, size, err = j.makeSegment(path, need)
	}
	if err != nil {
		return err
	}
	if err := t.file.Close(); err != nil {
		j.log.Warn("closing a full segment", "error", err)
	}
	t.file, t.off, t.size, t.tried = f, 0, size, 0
	t.seg = t.origin.addSegment(path, t.next, size)
	j.mu.Lock()
	j.wish = 0
	j.mu.Unlock()
	return nil
}

// seal cuts the segment's unused zeros off, from end on. One that cannot be cut stays as long as it is.
func (j *Journal) seal(t *tail, end int64) {
	err := t.file.Truncate(end)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.space.free -= t.size - t.off
	if err != nil {
		j.log.Warn("cutting a segment to its written length", "path", t.seg.path, "error", err)
	} else {
		j.space.release(t.size - end)
		t.origin.resize(t.seg, end)
	}
	t.off, t.size = end, end
}

// takeSpare moves the spare into its place, or returns no file when there is none in time. It waits for one that is being
// filled only when there is no room for another segment beside it.
func (j *Journal) takeSpare(path string, need int64) (file, int64, error) {
	j.mu.Lock()
	s := j.spare
	mustWait := j.space.disk+need > j.space.max
	j.mu.Unlock()
	if s == nil || s.size < need || !s.ready(mustWait) {
		return nil, 0, nil
	}
	err := os.Rename(j.sparePath(), path)
	j.mu.Lock()
	j.spare = nil
	if err != nil { // somebody has removed it, so another has to be made
		j.space.free -= s.size
		j.space.release(s.size)
	}
	j.mu.Unlock()
	if errors.Is(err, os.ErrNotExist) && j.home.check() == nil {
		return nil, 0, nil // only the spare is missing
	}
	if err != nil {
		return nil, 0, fmt.Errorf("putting the next segment in place: %w", err)
	}
	err = syncParents(path, j.sparePath())
	var osFile *os.File
	if err == nil {
		osFile, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.space.free -= s.size
		return nil, 0, fmt.Errorf("opening segment %s: %w", path, err)
	}
	return j.o.wrap(segmentFile{osFile}), s.size, nil
}

// makeSegment makes a small segment on the spot.
func (j *Journal) makeSegment(path string, need int64) (file, int64, error) {
	size := max(need, min(firstSegment/4, j.o.SegmentBytes))
	j.mu.Lock()
	ok := j.space.reserve(size)
	if !ok {
		size = need
		ok = j.space.reserve(size)
	}
	j.mu.Unlock()
	if !ok {
		return nil, 0, ErrFull
	}
	f, err := createSegment(path, size, j.o.wrap, nil)
	if err == nil {
		err = syncParents(path)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		return nil, 0, j.space.refused(size, err)
	}
	j.mu.Lock()
	j.space.dry = time.Time{}
	j.mu.Unlock()
	return f, size, nil
}

// end gives the origin up, after a failed write or for Disown: what of it is on disk nobody can say, so its numbers are
// neither used on nor used again. Whatever is queued fails, and the keeper begins another origin.
func (j *Journal) end(t *tail, cause error) error {
	err := fmt.Errorf("%w: %w", ErrUnavailable, cause)
	if !errors.Is(cause, errDisowned) {
		writeFailures.Inc()
	}
	j.seal(t, max(t.off, t.tried))
	j.mu.Lock()
	failed := j.open
	j.open = j.newBatch(nil)
	j.queued -= int64(len(failed.frames))
	j.tail, j.disown = nil, false
	if j.refusal == nil {
		j.refusal = ErrUnavailable
	}
	j.wish = 0
	j.mu.Unlock()
	failed.err = err
	close(failed.done)
	if cerr := t.file.Close(); cerr != nil {
		j.log.Warn("closing the segment that failed", "error", cerr)
	}
	j.log.Error("the journal has ended an origin: clicks are not recorded until a new one is open",
		"origin", t.origin.name, "durable", t.next-1, "error", cause)
	t.origin.end()
	if t.next == 1 { // nothing was promised, so nothing is left behind
		if err := j.truncate(t.origin, 0); err != nil {
			j.log.Warn("removing an origin without records", "origin", t.origin.name, "error", err)
		}
	}
	signal(j.chores)
	return err
}
