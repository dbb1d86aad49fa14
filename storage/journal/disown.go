package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// errDisowned ends an origin that another copy of this process writes as well.
var errDisowned = errors.New("another copy of this process writes this origin")

// disownedName is the file in an origin's folder that says so, and up to where its records have another place: a number, and
// its checksum, since a number that the disk has changed would pass records over.
const disownedName = "disowned"

// disownTime bounds Disown: the pause between two origins, and a slow disk. disownLook is how often it looks for the other one.
const disownTime, disownLook = 5 * time.Second, 10 * time.Millisecond

// Disown notes that another copy of this process writes the origin too: a virtual machine was resumed twice from one snapshot.
// From then on State says so. If the origin is live it ends, records that wait for the disk fail, and Disown waits until
// another is begun. It returns nil when the note is durable and another origin is live, and is to be repeated until it does;
// repeating it then costs nothing. It returns ErrUnavailable when no other origin is live: within some five seconds of the
// one's end, else at once, since the journal goes on trying.
func (j *Journal) Disown(name string) error {
	err := j.with(name, func(o *origin) error { return j.mark(o, 0) })
	if begun := j.giveUp(name); err == nil { // an origin that cannot be marked takes no more records either
		err = begun
	}
	return err
}

// Moved notes that the records of a disowned origin up to seq have another place, durably, and forgets them as Truncate does,
// even where the note fails.
func (j *Journal) Moved(name string, seq uint64) error {
	err := j.with(name, func(o *origin) error { return j.mark(o, seq) })
	if errors.Is(err, ErrNoOrigin) {
		err = nil
	}
	return errors.Join(err, j.Truncate(name, seq))
}

// mark notes that the origin is another's and moved up to seq, first in memory: no error may lead to using it on.
func (j *Journal) mark(o *origin, seq uint64) error {
	o.reading.Lock() // nobody removes the folder meanwhile
	defer o.reading.Unlock()
	o.mu.Lock()
	o.disowned, o.moved = true, max(o.moved, seq)
	seq = o.moved
	o.mu.Unlock()
	if o.marked && o.markedTo == seq {
		return nil
	}
	err := j.home.check()
	if err == nil {
		err = writeFile(filepath.Join(o.dir, disownedName), markText(o.name, seq))
	}
	if err != nil {
		return fmt.Errorf("marking the origin as another's: %w", err)
	}
	o.marked, o.markedTo = true, seq
	return nil
}

func markText(origin string, seq uint64) string {
	return fmt.Sprintf("%d %08x\n", seq, tracker.Checksum(origin, seq, nil))
}

// readMark takes over what an earlier process has noted. A note that does not verify says only that there is one: what it
// would have passed over moves again.
func (o *origin) readMark() error {
	text, err := os.ReadFile(filepath.Join(o.dir, disownedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the mark of an origin: %w", err)
	}
	var seq uint64
	if _, err := fmt.Sscanf(string(text), "%d", &seq); err != nil || string(text) != markText(o.name, seq) {
		seq = 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.disowned, o.moved = true, max(o.moved, seq)
	o.marked, o.markedTo = true, seq
	return nil
}

// giveUp ends the origin if it is live, and waits until another is.
func (j *Journal) giveUp(name string) error {
	j.mu.Lock()
	waiting := j.tail == nil || j.disown // the keeper is at it, or the writer
	if !waiting && j.tail.origin.name == name {
		j.disown = true
	}
	j.mu.Unlock()
	if waiting {
		return ErrUnavailable
	}
	signal(j.wake)
	for range disownTime / disownLook { // not by the clock: while the machine stands still nobody begins an origin
		if live, ok := j.Live(); ok && live != name {
			return nil
		}
		time.Sleep(disownLook)
	}
	return ErrUnavailable
}

// disowned reports whether the live origin is to end.
func (j *Journal) disowned() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.disown
}
