// Package journal is the durable log on the edge's own disk. What Append has taken and Ticket.Wait has confirmed is
// fsynced and stays until the ledger has settled it; Append itself never waits for the disk, it refuses instead.
//
// Layout of the folder:
//
//	lock                              held for the life of the process
//	ledger_id                         the ledger that this journal feeds
//	node_id                           the folder's own name
//	spare                             the next segment, filled with zeros ahead of its use
//	origins/<origin>/<first>.seg      segments, named by the number of their first record in 20 digits
//	origins/<origin>/disowned         a mark: another copy of this process writes the origin too, and up to where it was moved
//	damaged/<origin>-<first>.seg      segments with unreadable bytes, kept for a person to look at
//
// Each opening writes a new origin, a UUIDv7, and never touches the records of another. A segment is a row of frames,
// then zeros. A frame is the payload's length (4 bytes, big endian), its tracker.Checksum (4), its number (8) and the payload;
// length zero ends the written part.
package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options configures a journal. The zero value is usable.
type Options struct {
	// MaxBytes caps all segments on disk. At the cap Append returns ErrFull and nothing is deleted. Segments under damaged
	// do not count. Default 1 GiB; with less than MinBytes a large record may find no place in an empty journal.
	MaxBytes int64

	// SegmentBytes is the size of a segment. The first of an origin has at most 4 MiB, so that a start is quick, and each
	// further one doubles until it has this size. Default 64 MiB; at most a quarter of MaxBytes, since only whole
	// segments can be given back.
	SegmentBytes int64

	// Interval is the longest wait for a batch to fill while many records are coming in, or while nobody waits for the batch.
	// Default 2 ms, and at most that.
	Interval time.Duration

	// QueueBytes bounds the records that wait for the disk. Default 4 MiB.
	QueueBytes int64

	// Logger is told of failures and damage. Default: nobody.
	Logger *slog.Logger

	wrap  func(file) file // lets a test put a fault between the writer and its segment
	retry time.Duration   // pause between attempts to begin an origin, default 1 s
}

// Errors that callers tell apart with errors.Is.
var (
	ErrLocked      = errors.New("the journal is held by another process")
	ErrQueueFull   = errors.New("the journal's queue is full")
	ErrFull        = errors.New("the journal's disk space is used up")
	ErrUnavailable = errors.New("the journal cannot write")
	ErrClosed      = errors.New("the journal is closed")
	ErrLate        = errors.New("the record is not on disk yet")
	ErrSize        = errors.New("a record has between 1 byte and 64 KiB")
	ErrNoOrigin    = errors.New("no such origin in the journal")
	ErrPinned      = errors.New("the journal feeds another ledger")
	ErrGone        = errors.New("what the journal has on disk is not in its place: put it back, or restart Caddy to go on without it")
)

// MinBytes is the least that Options.MaxBytes should be.
const MinBytes = 128 << 10

const (
	firstSegment  = 4 << 20 // size of an origin's first segment, and of one made in haste
	maxInterval   = 2 * time.Millisecond
	retryInterval = time.Second
)

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	dir  string
	o    Options
	log  *slog.Logger
	lock *os.File
	home home

	life    sync.RWMutex // held for reading by whatever touches old segments; Close takes it before it lets go of the lock
	closed  bool         // guarded by life
	pinning sync.Mutex   // held while the ledger's id is written, which mu must not be: Append waits for mu

	mu       sync.Mutex
	refusal  error // why nothing can be appended now, or nil
	tail     *tail // the segment being written, nil while there is none; its fields belong to the writer
	open     *batch
	idle     []byte // the buffer of the batch before, for the next
	queued   int64  // bytes of frames appended and not yet on disk or failed
	target   int    // size of the batch for which the writer lingers
	space    space
	spare    *spare
	capped   bool      // a record was refused for want of room, and the keeper has not seen room since
	wish     int64     // size of the spare that the writer asks for, 0 for none
	begun    time.Time // when the live origin was begun
	origins  map[string]*origin
	disown   bool // Disown wants the live origin ended; false while there is none
	ledgerID string
	node     string // set once, at the start

	timers    sync.Pool     // stopped timers of earlier waits; one that fired meanwhile says nothing after its Reset
	wake      chan struct{} // to the writer: there is something to write
	chores    chan struct{} // to the keeper: look around
	stop      chan struct{} // to the keeper and to scans: end
	committed chan struct{}
	workers   sync.WaitGroup // the keeper
	writing   sync.WaitGroup // the writer
}

// Open opens the journal in dir, makes the folder where it is missing, and begins a new origin. It returns ErrLocked when
// another process, or another Journal of this one, holds the folder. When there is no room on the disk it succeeds, so that
// what is there can be read and truncated; Append then returns ErrFull until a new origin could be begun.
func Open(dir string, o Options) (*Journal, error) {
	j := newJournal(dir, o)
	if err := makeDir(filepath.Join(dir, "origins")); err != nil {
		return nil, fmt.Errorf("making the journal's folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	j.lock = lock
	if j.home, err = openHome(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the journal's folder: %w", err), lock.Close())
	}
	if err := j.start(); err != nil {
		return nil, errors.Join(err, j.home.close(), lock.Close())
	}
	return j, nil
}

func newJournal(dir string, o Options) *Journal {
	o.setDefaults()
	j := &Journal{
		dir: dir, o: o, log: o.Logger,
		refusal: ErrUnavailable,
		space:   space{max: o.MaxBytes},
		origins: make(map[string]*origin),
		wake:    make(chan struct{}, 1), chores: make(chan struct{}, 1),
		stop: make(chan struct{}), committed: make(chan struct{}, 1),
	}
	j.open = j.newBatch(nil)
	return j
}

func (o *Options) setDefaults() {
	setDefault(&o.MaxBytes, 1<<30)
	setDefault(&o.SegmentBytes, 64<<20)
	setDefault(&o.QueueBytes, 4<<20)
	setDefault(&o.Interval, maxInterval)
	setDefault(&o.retry, retryInterval)
	o.SegmentBytes = max(1, min(o.SegmentBytes, o.MaxBytes/4))
	o.Interval = min(o.Interval, maxInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.wrap == nil {
		o.wrap = func(f file) file { return f }
	}
}

func setDefault[T int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}

// start takes stock of the folder, begins an origin and sets the writer and the keeper to work.
func (j *Journal) start() error {
	id, err := os.ReadFile(filepath.Join(j.dir, "ledger_id"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading the ledger's id: %w", err)
	}
	j.ledgerID = strings.TrimSpace(string(id))
	j.identify()
	if err := os.Remove(j.sparePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the unused segment of an earlier process: %w", err)
	}
	if err := j.findOrigins(); err != nil {
		return err
	}
	if err := j.begin(); err != nil && !errors.Is(err, ErrFull) {
		return err
	}
	j.writing.Go(j.write)
	j.workers.Go(j.keep)
	signal(j.chores)
	return nil
}

// Close writes and fsyncs what is queued, cuts the live segment to its written length and gives the folder back. It may be
// called twice.
func (j *Journal) Close() error {
	j.mu.Lock()
	if errors.Is(j.refusal, ErrClosed) {
		j.mu.Unlock()
		return nil
	}
	j.refusal = ErrClosed
	j.mu.Unlock()
	signal(j.wake)
	j.writing.Wait()
	close(j.stop)
	j.workers.Wait()

	j.life.Lock()
	defer j.life.Unlock()
	j.closed = true
	var errs []error
	if t := j.tail; t != nil { // neither the writer nor the keeper is left to look at it
		j.seal(t, t.off)
		errs = append(errs, t.file.Close())
		j.mu.Lock()
		j.tail = nil
		j.mu.Unlock()
	}
	if j.home.check() == nil { // or what is there is another journal's
		if err := os.Remove(j.sparePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, j.home.close(), j.lock.Close())...)
}

// Origins returns the name of every origin with a folder, oldest first, the live one included.
func (j *Journal) Origins() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.origins))
}

// Live returns the origin that is being written, and false while there is none.
func (j *Journal) Live() (origin string, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tail == nil {
		return "", false
	}
	return j.tail.origin.name, true
}

// Committed wakes its single reader after batches became durable. Wake-ups that nobody waited for fold into one.
func (j *Journal) Committed() <-chan struct{} { return j.committed }

// Stats is what health and metrics want to know.
type Stats struct {
	Bytes    int64 // segments on disk, those filled ahead included
	MaxBytes int64 // their cap
	Queued   int64 // bytes of records that wait for the disk
	Origins  int
	Waiting  int  // origins of which a segment cannot be found or opened; their records wait for it
	Failed   bool // no origin can be written now
	Full     bool // for want of disk space
}

// Stats returns the journal's state of the moment.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	waiting := 0
	for _, o := range j.origins {
		if o.waiting.Load() {
			waiting++
		}
	}
	return Stats{
		Bytes: j.space.disk, MaxBytes: j.space.max, Queued: j.queued, Origins: len(j.origins), Waiting: waiting,
		Failed: j.tail == nil, Full: j.full(),
	}
}

// full reports whether a record may find no room. The lock is held.
func (j *Journal) full() bool {
	return errors.Is(j.refusal, ErrFull) || !j.space.fits(j.queued+maxFrame)
}

// Roomy reports whether there is disk space to spare: at most three quarters of MaxBytes are taken by records, and the disk
// itself has not refused more. Where it is false, what is left belongs to the records that matter most.
func (j *Journal) Roomy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !errors.Is(j.refusal, ErrFull) && j.space.roomy(j.queued)
}

// LedgerID returns the ledger that this journal feeds, or the empty string before PinLedger.
func (j *Journal) LedgerID() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ledgerID
}

// PinLedger notes durably that this journal feeds the ledger of that id. It returns ErrPinned when it already feeds
// another: whoever means it removes the file ledger_id while the journal is closed.
func (j *Journal) PinLedger(id string) error {
	j.life.RLock()
	defer j.life.RUnlock()
	if j.closed {
		return ErrClosed
	}
	j.pinning.Lock()
	defer j.pinning.Unlock()
	switch pinned := j.LedgerID(); pinned {
	case id:
		return nil
	case "":
	default:
		return fmt.Errorf("%w: %s", ErrPinned, pinned)
	}
	err := j.home.check()
	if err == nil {
		err = writeFile(filepath.Join(j.dir, "ledger_id"), id+"\n")
	}
	if err != nil {
		return fmt.Errorf("pinning the ledger: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ledgerID = id
	return nil
}

func (j *Journal) sparePath() string { return filepath.Join(j.dir, "spare") }

// signal wakes the goroutine that listens on ch, now or when it listens next.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
