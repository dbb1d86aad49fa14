package journal

import (
	"bytes"
	"errors"
	"io"
)

// window looks at a part of a file through one buffer that moves on.
type window struct {
	r    io.ReaderAt
	end  int64 // bytes from here on are not looked at
	size int   // how many to read at once
	keep bool  // give each read a buffer of its own, because somebody keeps slices of it

	buf []byte
	off int64 // where buf begins
}

// at returns the n bytes at off, or those that there are before the end. They may be more than n.
func (w *window) at(off int64, n int) ([]byte, error) {
	have := w.off + int64(len(w.buf))
	if off >= w.off && (off+int64(n) <= have || have >= w.end && off <= have) {
		return w.buf[off-w.off:], nil
	}
	size := max(0, min(w.end-off, int64(max(n, w.size))))
	if w.keep || int64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	got, err := w.r.ReadAt(w.buf[:size], off)
	w.buf, w.off = w.buf[:got], off
	if errors.Is(err, io.EOF) {
		w.end, err = off+int64(got), nil
	}
	return w.buf, err
}

// run is a stretch of a segment in which record follows record.
type run struct {
	seg         *segment
	off, end    int64 // its bytes
	first, last uint64
}

// scanned is what a scan found in a file.
type scanned struct {
	runs []run
	data int64 // from here on there are only zeros
	bad  bool  // there are bytes before a record that are none
	torn bool  // there are bytes behind the last record that are none
	vain int64 // bytes summed up that turned out to be no record
}

const scanChunk = 1 << 20

// scan finds every record of the origin in the first end bytes of r, whatever is between them. Its work is linear in end,
// also when somebody has filled the file with headers that promise much: then what follows them may be given up.
func scan(r io.ReaderAt, origin string, end int64) (scanned, error) {
	var found scanned
	w := window{r: r, end: end, size: scanChunk}
	patience := 16*end + scanChunk // what may be summed up in vain
	good, dirty := int64(0), int64(0)
	for off := int64(0); ; {
		b, err := w.at(off, maxFrame)
		if err != nil {
			return scanned{}, err
		}
		if len(b) == 0 {
			break
		}
		seq, size, ok := header(b)
		if ok && found.vain < patience {
			if verify(b[:size], origin, seq) {
				found.bad = found.bad || dirty > good
				found.add(off, size, seq)
				off += int64(size)
				good = off
				continue
			}
			found.vain += int64(size)
		}
		if b[0] == 0 {
			off += zeros(b)
			continue
		}
		off++
		dirty = off
	}
	found.data, found.torn = max(good, dirty), dirty > good
	return found, nil
}

func (s *scanned) add(off int64, size int, seq uint64) {
	if n := len(s.runs); n > 0 && s.runs[n-1].end == off && s.runs[n-1].last+1 == seq {
		s.runs[n-1].end += int64(size)
		s.runs[n-1].last = seq
		return
	}
	s.runs = append(s.runs, run{off: off, end: off + int64(size), first: seq, last: seq})
}

// zeros returns how many of the zeros at the start of b cannot begin a frame: all but the last three, which may be the upper
// bytes of a length, but at least one.
func zeros(b []byte) int64 {
	return int64(max(1, len(b)-len(bytes.TrimLeft(b, "\x00"))-3))
}
