package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Truncate forgets the records up to settled, or up to the last durable one if that is less, as far as they fill whole
// segments. An origin that is not live and whose highest record is settled loses its folder. Repeating it, also for an
// origin that is gone, does nothing.
func (j *Journal) Truncate(name string, settled uint64) error {
	err := j.with(name, func(o *origin) error { return j.truncate(o, settled) })
	if errors.Is(err, ErrNoOrigin) {
		return nil
	}
	return err
}

func (j *Journal) truncate(o *origin, settled uint64) error {
	if err := j.home.check(); err != nil {
		return err
	}
	gone, err := o.truncate(settled, filepath.Join(j.dir, "damaged"))
	if gone {
		j.mu.Lock()
		delete(j.origins, o.name)
		j.mu.Unlock()
	}
	return err
}

// errChanged is returned for a segment of an earlier process that is still being written to: a lock that does not work
// has let us in beside its writer.
var errChanged = errors.New("another process writes to this origin")

func (o *origin) truncate(settled uint64, damaged string) (gone bool, err error) {
	o.reading.Lock()
	defer o.reading.Unlock()
	if err := o.load(); err != nil {
		return false, err
	}
	segments, finished := o.settled(settled)
	for _, seg := range segments {
		if err := o.removeSegment(seg, damaged); err != nil {
			return false, err
		}
		o.forget(seg)
	}
	if finished {
		return true, o.removeDir()
	}
	if len(segments) > 0 {
		return false, syncDir(o.dir)
	}
	return false, nil
}

// settled returns the leading segments whose records are all settled, and whether that is all of an origin that has ended.
func (o *origin) settled(settled uint64) (segments []*segment, finished bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	limit := min(settled, o.durable)
	removable := o.segments
	if o.live {
		removable = removable[:len(removable)-1]
	} else if limit == o.durable {
		return slices.Clone(removable), true
	}
	n := 0
	for n < len(removable) && removable[n].last <= limit {
		n++
	}
	return slices.Clone(removable[:n]), false
}

// removeSegment removes a segment, or moves it to damaged when there are bytes in it that somebody may want to look at.
func (o *origin) removeSegment(seg *segment, damaged string) error {
	if !o.own && !seg.unchanged() {
		o.loaded = false
		return errChanged
	}
	var err error
	if seg.damaged {
		err = o.setAside(seg, damaged)
	} else {
		err = os.Remove(seg.path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing segment: %w", err)
	}
	o.release(seg.size)
	return nil
}

func (o *origin) setAside(seg *segment, damaged string) error {
	if err := makeDir(damaged); err != nil {
		return err
	}
	path := filepath.Join(damaged, o.name+"-"+filepath.Base(seg.path))
	if err := os.Rename(seg.path, path); err != nil {
		return err
	}
	return syncParents(path)
}

// forget takes a removed segment, the first, out of the account.
func (o *origin) forget(seg *segment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.segments = o.segments[1:]
	o.base = max(o.base, min(seg.last, o.durable))
	o.runs = arrange(slices.DeleteFunc(o.runs, func(r run) bool { return r.seg == seg }), o.base, o.durable)
}

// removeDir removes the origin's folder. Other files that somebody has put there keep it.
func (o *origin) removeDir() error {
	for _, name := range []string{disownedName, disownedName + newSuffix} { // the latter of a process that died as it wrote it
		err := os.Remove(filepath.Join(o.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the mark of an origin: %w", err)
		}
	}
	err := os.Remove(o.dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return syncParents(o.dir)
	}
	if entries, rerr := os.ReadDir(o.dir); rerr == nil && len(entries) > 0 {
		o.log.Warn("a folder of the journal is finished and kept, since there are other files in it", "dir", o.dir)
		return nil
	}
	return fmt.Errorf("removing folder of origin: %w", err)
}

// removeEmpty removes an origin in which nothing was ever written: at most one segment, and that all zeros.
func (o *origin) removeEmpty() (bool, error) {
	if len(o.segments) > 1 {
		return false, nil
	}
	for _, seg := range o.segments {
		found, err := o.scan(seg, seg.size)
		if err != nil || seg.first != 1 || found.data > 0 {
			return false, err
		}
		if err := o.removeSegment(seg, ""); err != nil {
			return false, err
		}
		o.forget(seg)
	}
	if err := o.removeDir(); err != nil {
		return false, err
	}
	return true, nil
}
