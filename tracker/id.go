package tracker

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// SessionID identifies a session for ever: a UUIDv7 (RFC 9562), so ids sort by the time of the click.
type SessionID [16]byte

// VisitorID identifies a browser, and is minted with the visitor's first session: 48 bits of the time in milliseconds, so
// that a database's index of visitors grows at its end, and 80 random bits.
type VisitorID [16]byte

// ErrID is returned for text that is not an id in its canonical form.
var ErrID = errors.New("not an id")

// NewSessionID mints the id of a session recorded at now. Its 74 random bits come from crypto/rand.
func NewSessionID(now time.Time) SessionID {
	var id SessionID
	rand.Read(id[6:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli())<<16)
	copy(id[:6], ms[:6])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// NewVisitorID mints a visitor id of now.
func NewVisitorID() VisitorID {
	var id VisitorID
	rand.Read(id[6:])
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	return id
}

// AppendText appends the 36 characters of the id, as RFC 9562 writes them.
func (id SessionID) AppendText(dst []byte) ([]byte, error) {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, id[10:]), nil
}

// String returns the 36 characters of the id, as RFC 9562 writes them.
func (id SessionID) String() string {
	var buf [36]byte
	text, _ := id.AppendText(buf[:0])
	return string(text)
}

// IsZero reports whether the id was never minted.
func (id SessionID) IsZero() bool { return id == SessionID{} }

// ParseSessionID reads the 36-character form. It accepts any UUID in lower or upper case, since sessions of other systems
// may be given.
func ParseSessionID(s string) (SessionID, error) {
	var id SessionID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, ErrID
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return SessionID{}, ErrID
	}
	return id, nil
}

// AppendText appends the id as 32 hexadecimal digits.
func (id VisitorID) AppendText(dst []byte) ([]byte, error) { return hex.AppendEncode(dst, id[:]), nil }

// String returns the id as 32 hexadecimal digits.
func (id VisitorID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id VisitorID) IsZero() bool { return id == VisitorID{} }

// ParseVisitorID reads the 32 hexadecimal digits that String writes.
func ParseVisitorID(s string) (VisitorID, error) {
	var id VisitorID
	if len(s) != 32 {
		return id, ErrID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return VisitorID{}, ErrID
	}
	return id, nil
}
