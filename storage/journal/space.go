package journal

import (
	"fmt"
	"time"
)

// space is the journal's account of the disk.
type space struct {
	max  int64
	disk int64     // sizes of all segments, the spare and what is being filled included
	free int64     // of these, the zeros that records may still fill: the rest of the live segment and the spare
	dry  time.Time // until then the disk itself is taken to have no room
}

// fits reports whether n more bytes of frames have a place.
func (s *space) fits(n int64) bool {
	if n <= s.free {
		return true
	}
	if s.disk-s.free+n > s.max {
		return false
	}
	return s.dry.IsZero() || time.Now().After(s.dry)
}

// roomy reports whether records, n bytes of them still queued, take at most three quarters of the space, and the disk has
// made room whenever it was last asked.
func (s *space) roomy(n int64) bool { return s.dry.IsZero() && s.disk-s.free+n <= s.max/4*3 }

// reserve takes n bytes for a segment that is about to be filled.
func (s *space) reserve(n int64) bool {
	if s.disk+n > s.max {
		return false
	}
	s.disk += n
	s.free += n
	segmentBytes.Set(float64(s.disk))
	return true
}

// release returns n bytes of segments that are gone.
func (s *space) release(n int64) {
	s.disk -= n
	segmentBytes.Set(float64(s.disk))
}

// refused notes what the disk said when a segment of n bytes could not be made, and translates it for the caller.
func (s *space) refused(n int64, err error) error {
	s.free -= n
	s.release(n)
	if diskFull(err) {
		s.dry = time.Now().Add(retryInterval)
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
