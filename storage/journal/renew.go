package journal

import (
	"errors"
	"time"
)

// errDisowned ends an origin that another copy of this process writes as well.
var errDisowned = errors.New("another copy of this process writes this origin")

// renewTime bounds Renew: the pause between two origins, and a slow disk.
const renewTime = 5 * time.Second

// Renew ends the live origin and waits until another is begun. It is for a process that finds itself to be a copy (a virtual
// machine that was resumed twice from one snapshot): two writers must not share an origin. Records that wait for the disk
// fail. It returns ErrUnavailable when no new origin could be begun within five seconds; the journal goes on trying.
func (j *Journal) Renew() error {
	j.mu.Lock()
	if j.tail == nil {
		j.mu.Unlock()
		return ErrUnavailable
	}
	old := j.tail.origin
	j.disown = true
	j.mu.Unlock()
	signal(j.wake)
	for deadline := time.Now().Add(renewTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if name, ok := j.Live(); ok && name != old.name {
			return nil
		}
	}
	return ErrUnavailable
}

func (j *Journal) disowned() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.disown
}
