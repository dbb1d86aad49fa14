package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// scrubStep is how many bytes of records are looked at before others who want to read the origin get their turn.
const scrubStep = 4 << 20

// Scrub calls erase with the payload of each record of the origin from after+1 to last that can be read, for it to overwrite
// what must not be kept. Where erase reports that it has, the record is written back in its place, with its new checksum,
// and fsynced. Scrub returns how many it has written. Repeating it is safe, and needed after
// ErrGone: what is in a segment that could not be found has to be scrubbed when it is back.
//
// Nothing but what the ledger has applied may be given: a power cut in the middle of the write leaves a torn record, which
// is a tombstone from then on. The ledger has it; it would miss it only if it came back older as well.
func (j *Journal) Scrub(ctx context.Context, name string, after, last uint64, erase func(payload []byte) bool) (n int, err error) {
	rescanned := false
	var gone error // of segments that cannot be found; the others are scrubbed
	for after < last {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var written int
		from := after
		err := j.with(name, func(o *origin) (err error) {
			after, written, err = o.scrub(after, last, erase, !rescanned)
			return err
		})
		n += written
		if errors.Is(err, ErrGone) && after > from {
			gone = err
			continue
		}
		if errors.Is(err, errBroken) && !rescanned {
			rescanned = true // the segment has been scanned anew; what is readable in it comes now
			continue
		}
		if err != nil {
			return n, err
		}
	}
	return n, gone
}

// scrub is one step of Scrub. It returns the number up to which it has come, which is last when there is nothing more. For a
// record that does not verify any more it returns errBroken; with rescan it has then looked anew at its segment.
func (o *origin) scrub(after, last uint64, erase func([]byte) bool, rescan bool) (to uint64, written int, err error) {
	o.reading.Lock()
	defer o.reading.Unlock()
	if err := o.load(); err != nil {
		return after, 0, err
	}
	base, durable := o.bounds()
	want := max(after, base) + 1
	r, ok := o.find(want)
	if !ok || r.first > last || want > min(last, durable) {
		return last, 0, nil
	}
	if !o.own && !r.seg.unchanged() {
		o.loaded = false
		return after, 0, errChanged
	}
	want = max(want, r.first)
	to, written, err = o.scrubRun(r, want, min(r.last, last, durable), erase)
	if errors.Is(err, errBroken) && rescan {
		if err := o.rescan(r.seg); err != nil {
			return to, written, err
		}
	}
	return to, written, err
}

// scrubRun scrubs the run's records from want to last, at most a step of them, and fsyncs those that it has written.
func (o *origin) scrubRun(r run, want, last uint64, erase func([]byte) bool) (to uint64, written int, err error) {
	f, err := openSegment(r.seg.path, os.O_RDWR) // one that is put back later must be scrubbed then
	if err != nil {
		return r.last, 0, err
	}
	to, written, err = o.scrubFile(f, r, want, last, erase)
	if written > 0 {
		err = errors.Join(err, datasync(f))
	}
	err = errors.Join(err, f.Close())
	if written > 0 && !o.own {
		err = errors.Join(err, o.measure(r.seg)) // it has another time now, by our own hand
	}
	return to, written, err
}

func (o *origin) scrubFile(f *os.File, r run, want, last uint64, erase func([]byte) bool) (to uint64, written int, err error) {
	off := r.off
	if o.scrubbed.seg == r.seg && o.scrubbed.seq == want {
		off = o.scrubbed.off
	}
	w := window{r: f, end: r.end, size: scanChunk}
	for begun := off; want <= last && off-begun < scrubStep; {
		b, err := w.at(off, maxFrame)
		if err != nil {
			return want - 1, written, fmt.Errorf("reading segment %s: %w", r.seg.path, err)
		}
		seq, size, ok := header(b)
		if !ok || seq > want || !verify(b[:size], o.name, seq) {
			return want - 1, written, errBroken
		}
		if frame := b[:size]; seq == want {
			if erase(frame[headerSize:]) {
				binary.BigEndian.PutUint32(frame[4:], tracker.Checksum(o.name, seq, frame[headerSize:]))
				if _, err := f.WriteAt(frame, off); err != nil {
					return want - 1, written, fmt.Errorf("writing segment %s: %w", r.seg.path, err)
				}
				written++
			}
			want++
		}
		off += int64(size)
	}
	o.scrubbed = place{r.seg, off, want}
	return want - 1, written, nil
}
