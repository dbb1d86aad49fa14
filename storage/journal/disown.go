package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// errDisowned ends an origin that another copy of this process writes as well.
var errDisowned = errors.New("another copy of this process writes this origin")

// disownedName is the file in an origin's folder that says so.
const disownedName = "disowned"

// disownTime bounds Disown: the pause between two origins, and a slow disk.
const disownTime = 5 * time.Second

// Disown notes, durably, that another copy of this process writes the origin too: a virtual machine was resumed twice from
// one snapshot. If the origin is live it ends, records that wait for the disk fail, and Disown waits until another is begun.
// It returns ErrUnavailable when none could be begun within five seconds; the journal goes on trying.
func (j *Journal) Disown(name string) error {
	if err := j.with(name, (*origin).disown); err != nil {
		return err
	}
	j.mu.Lock()
	if j.tail != nil && j.tail.origin.name == name {
		j.disown = true
	}
	j.mu.Unlock()
	signal(j.wake)
	for deadline := time.Now().Add(disownTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if live, ok := j.Live(); ok && live != name {
			return nil
		}
	}
	return ErrUnavailable
}

func (o *origin) disown() error {
	o.reading.Lock() // nobody removes the folder meanwhile
	defer o.reading.Unlock()
	if err := writeFile(filepath.Join(o.dir, disownedName), ""); err != nil {
		return fmt.Errorf("marking the origin as another's: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.disowned = true
	return nil
}

// disowned reports whether the live origin is to end.
func (j *Journal) disowned() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.disown
}
