package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	headerSize = 16
	maxFrame   = headerSize + tracker.MaxRecord
	maxSeq     = 1_000_000_000_000 // no origin reaches this number; a larger one is somebody else's
	suffix     = ".seg"

	fillChunk = 256 << 10 // zeros written at once
	fillSync  = 4 << 20   // zeros written between fsyncs, so that they never pile up before a click's own fsync
)

// file is what the writer needs of a segment.
type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Sync() error             // makes the data durable, and the size where it grew
	Linked(size int64) error // nil while its path leads to the file and it has at least that size
	Truncate(size int64) error
	Close() error
}

// segmentFile is a file on a disk.
type segmentFile struct{ *os.File }

func (f segmentFile) Sync() error { return datasync(f.File) }

func (f segmentFile) Linked(size int64) error { return linked(f.File, size) }

// segment is one file of an origin.
type segment struct {
	opened  fs.FileInfo // the file that the writer has written, nil of an earlier process's
	path    string
	first   uint64 // the number that its name says, 0 if it says none
	last    uint64 // the highest number that it can hold
	size    int64
	changed time.Time // of a segment of an earlier process: its modification time when it was read
	damaged bool      // it holds bytes that are no record and no torn tail
}

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, suffix))
}

// firstOf reads the number in a segment's name, 0 if there is none.
func firstOf(path string) uint64 {
	digits, ok := strings.CutSuffix(filepath.Base(path), suffix)
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n >= maxSeq {
		return 0
	}
	return n
}

// openSegment opens a segment that must be there. One that is not is ErrGone, which is no damage.
func openSegment(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, fmt.Errorf("opening segment: %w", notFound(err))
	}
	return f, nil
}

// notFound says of an error that it is ErrGone, where it is.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return err
}

var errStopped = errors.New("stopped")

// createSegment makes a file of size zeros and fsyncs it. Real zeros: fsyncing a record into them changes nothing but its
// own bytes, where a file that grows costs a second write for its size and extents. It gives up when stop is closed.
func createSegment(path string, size int64, wrap func(file) file, stop <-chan struct{}) (file, error) {
	osFile, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating segment %s: %w", path, err)
	}
	f := wrap(segmentFile{osFile})
	if err := fill(f, size, stop); err != nil {
		return nil, errors.Join(fmt.Errorf("filling segment %s: %w", path, err), f.Close(), os.Remove(path))
	}
	return f, nil
}

func fill(f file, size int64, stop <-chan struct{}) error {
	zeros := make([]byte, min(size, fillChunk))
	for off := int64(0); off < size; {
		select {
		case <-stop:
			return errStopped
		default:
		}
		n := min(size-off, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off += n
		if off%fillSync == 0 && off < size {
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return f.Sync()
}

// appendFrame appends the payload's frame to dst. stamp completes it.
func appendFrame(dst, payload []byte) []byte {
	var header [headerSize]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(payload)))
	dst = append(dst, header[:]...)
	return append(dst, payload...)
}

// frameSize returns the size of the frame at the start of frames.
func frameSize(frames []byte) int64 { return headerSize + int64(binary.BigEndian.Uint32(frames)) }

// stamp gives the frames their numbers, from first on, and their checksums, as far as they fit into room bytes. It returns
// the bytes and the frames that it stamped.
func stamp(frames []byte, origin string, first uint64, room int64) (n int64, count uint64) {
	for int64(len(frames)) > n && n+frameSize(frames[n:]) <= room {
		frame := frames[n : n+frameSize(frames[n:])]
		seq := first + count
		binary.BigEndian.PutUint32(frame[4:], tracker.Checksum(origin, seq, frame[headerSize:]))
		binary.BigEndian.PutUint64(frame[8:], seq)
		n += int64(len(frame))
		count++
	}
	return n, count
}

// header reads the frame at the start of b without verifying it; ok is false for what cannot be a frame.
func header(b []byte) (seq uint64, size int, ok bool) {
	if len(b) <= headerSize {
		return 0, 0, false
	}
	length := binary.BigEndian.Uint32(b)
	seq = binary.BigEndian.Uint64(b[8:])
	if length == 0 || length > tracker.MaxRecord || seq == 0 || seq >= maxSeq {
		return 0, 0, false
	}
	size = headerSize + int(length)
	return seq, size, size <= len(b)
}

// verify reports whether frame, whole and with that number in its header, is a record of the origin.
func verify(frame []byte, origin string, seq uint64) bool {
	return tracker.Checksum(origin, seq, frame[headerSize:]) == binary.BigEndian.Uint32(frame[4:])
}
