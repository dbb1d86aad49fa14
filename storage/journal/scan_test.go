package journal

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const testOrigin = "019b0000-0000-7000-8000-000000000001"

// frames returns a segment with the records first … last.
func frames(first, last int) []byte {
	var b []byte
	for n := first; n <= last; n++ {
		b = appendFrame(b, payload(n, 20+n%50))
	}
	stamp(b, testOrigin, uint64(first), 1<<40)
	return b
}

// hostile is full of headers that promise the largest record.
func hostile(size int) []byte {
	b := make([]byte, 0, size)
	for len(b)+headerSize <= size {
		b = binary.BigEndian.AppendUint32(b, tracker.MaxRecord)
		b = binary.BigEndian.AppendUint32(b, 1)
		b = binary.BigEndian.AppendUint64(b, 1)
	}
	return b
}

func FuzzScan(f *testing.F) {
	good := frames(1, 20)
	f.Add(good)
	f.Add(append(bytes.Clone(good), make([]byte, 5000)...))
	f.Add(good[:len(good)-7])
	f.Add(append(append(bytes.Clone(good[:100]), 0, 0, 0, 9), good[100:]...))
	f.Add(append(frames(30, 40), good...))
	f.Add(append(hostile(200_000), good...))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := scan(bytes.NewReader(b), testOrigin, int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		end := int64(0)
		for _, r := range found.runs {
			if r.off < end || r.end > int64(len(b)) {
				t.Fatalf("run %+v begins before %d or ends after %d", r, end, len(b))
			}
			for seq := r.first; seq <= r.last; seq++ {
				n, size, ok := header(b[r.off:])
				if !ok || n != seq || tracker.Checksum(testOrigin, seq, b[r.off+headerSize:r.off+int64(size)]) != binary.BigEndian.Uint32(b[r.off+4:]) {
					t.Fatalf("record %d at %d does not verify", seq, r.off)
				}
				r.off += int64(size)
			}
			if r.off != r.end {
				t.Fatalf("run %+v", r)
			}
			end = r.end
		}
		if found.data < end || len(bytes.TrimLeft(b[found.data:], "\x00")) > 0 {
			t.Fatalf("data ends at %d, the last record at %d of %d", found.data, end, len(b))
		}
	})
}

func TestScanIsLinearInHostileBytes(t *testing.T) {
	// Without a bound every sixteenth byte would cost a checksum over 64 KiB: four thousand times the file.
	b := hostile(4 << 20)
	found, err := scan(bytes.NewReader(b), testOrigin, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if found.vain == 0 || found.vain > 17*int64(len(b)) {
		t.Fatalf("%d bytes summed up in vain for a file of %d", found.vain, len(b))
	}
}

func TestScanFindsRecordsBehindHostileBytes(t *testing.T) {
	// Headers that promise little are paid for from what the file's size allows.
	noise := make([]byte, 0, 1<<20)
	for len(noise) < 1<<20 {
		noise = binary.BigEndian.AppendUint32(noise, 100)
		noise = append(noise, payload(len(noise), 12)...)
	}
	b := append(noise, frames(7, 9)...)
	found, err := scan(bytes.NewReader(b), testOrigin, int64(len(b)))
	if err != nil || len(found.runs) != 1 || found.runs[0].first != 7 || found.runs[0].last != 9 || !found.bad {
		t.Fatalf("%+v, %v", found, err)
	}
}

func TestScanReadsAcrossItsBuffer(t *testing.T) {
	b := frames(1, 60_000)
	if len(b) < 3*scanChunk {
		t.Fatal("one buffer is enough")
	}
	b = append(b, make([]byte, 2*scanChunk+17)...)
	b = append(b, frames(60_005, 60_005)...)
	found, err := scan(bytes.NewReader(b), testOrigin, int64(len(b)))
	if err != nil || len(found.runs) != 2 || found.runs[0].last != 60_000 || found.runs[1].first != 60_005 || found.bad {
		t.Fatalf("%+v, %v", found, err)
	}
	for pad := range 40 { // the length of a frame may straddle what is looked at for zeros at once
		b := append(make([]byte, maxFrame-20+pad), frames(1, 2)...)
		found, err := scan(bytes.NewReader(b), testOrigin, int64(len(b)))
		if err != nil || len(found.runs) != 1 || found.runs[0].last != 2 {
			t.Fatalf("pad %d: %+v, %v", pad, found, err)
		}
	}
}
