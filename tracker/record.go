package tracker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
)

// RecordVersion is the first byte of every record. A reader quarantines a version that it does not know.
const RecordVersion = 1

// MaxRecord is the size in bytes that no record may exceed; captured values are cut long before.
const MaxRecord = 64 << 10

// Kind says what a record is about.
type Kind string

// The kinds of record.
const (
	KindClick      Kind = "click"      // a session
	KindConversion Kind = "conversion" // a conversion that came by the edge
	KindLost       Kind = "lost"       // a tombstone: the numbers From … its own can no longer be read
)

// FieldName numbers a field of a record. Numbers are given once and never reused: they are on disks.
type FieldName byte

// The fields of a record. Their texts (see String) are the fields of a stream entry in Redis, a public contract.
const (
	FieldKind      FieldName = 1
	FieldID        FieldName = 2
	FieldNetwork   FieldName = 3
	FieldCode      FieldName = 4
	FieldTime      FieldName = 5
	FieldClass     FieldName = 6
	FieldVisitor   FieldName = 7
	FieldIP        FieldName = 8
	FieldUserAgent FieldName = 9
	FieldHost      FieldName = 10
	FieldRoute     FieldName = 11
	FieldQuery     FieldName = 12
	FieldReferrer  FieldName = 13
	FieldParam     FieldName = 14
	FieldFrom      FieldName = 15
	FieldReason    FieldName = 16

	// Of conversions.
	FieldSource        FieldName = 17
	FieldType          FieldName = 18
	FieldExternalID    FieldName = 19
	FieldAmount        FieldName = 20
	FieldCurrency      FieldName = 21
	FieldStatus        FieldName = 22
	FieldCoupon        FieldName = 23
	FieldCustomer      FieldName = 24
	FieldCustomerBrand FieldName = 25
	FieldLeadName      FieldName = 26
	FieldCommissions   FieldName = 27
	FieldMetaData      FieldName = 28
	FieldFirstTouch    FieldName = 29
	FieldLastTouch     FieldName = 30
	FieldConsent       FieldName = 31

	FieldShare  FieldName = 32 // of clicks: "no" if nothing of it may be forwarded
	FieldErased FieldName = 33 // what EraseRecord leaves of a field
)

var fieldNames = [...]string{
	FieldKind: "kind", FieldID: "id", FieldNetwork: "network", FieldCode: "code", FieldTime: "time", FieldClass: "class",
	FieldVisitor: "visitor_id", FieldIP: "ip", FieldUserAgent: "user_agent", FieldHost: "host", FieldRoute: "route",
	FieldQuery: "query", FieldReferrer: "referrer", FieldParam: "param", FieldFrom: "from", FieldReason: "reason",
	FieldSource: "source", FieldType: "type", FieldExternalID: "external_id", FieldAmount: "amount",
	FieldCurrency: "currency", FieldStatus: "status", FieldCoupon: "coupon", FieldCustomer: "customer_external_id",
	FieldCustomerBrand: "customer_brand", FieldLeadName: "name", FieldCommissions: "commissions", FieldMetaData: "meta_data",
	FieldFirstTouch: "first_touch", FieldLastTouch: "last_touch", FieldConsent: "consent",
	FieldShare: "share", FieldErased: "erased",
}

// String returns the field's public name, or f<number> for one that this version does not know.
func (n FieldName) String() string {
	if int(n) < len(fieldNames) && fieldNames[n] != "" {
		return fieldNames[n]
	}
	return "f" + strconv.Itoa(int(n))
}

// ParseFieldName is the inverse of String.
func ParseFieldName(s string) (FieldName, bool) {
	for n, name := range fieldNames {
		if name == s && s != "" {
			return FieldName(n), true
		}
	}
	if len(s) > 1 && s[0] == 'f' {
		if n, err := strconv.ParseUint(s[1:], 10, 8); err == nil && n > 0 && FieldName(n).String() == s {
			return FieldName(n), true
		}
	}
	return 0, false
}

// Field is one named value of a record.
type Field struct {
	Name  FieldName
	Value string
}

// Record is the decoded form of what the journal keeps and the relay carries: a version and a flat list of fields, in order.
type Record struct {
	Version byte
	Fields  []Field
}

// Entry is one record under its number in an origin, still encoded.
type Entry struct {
	Seq     uint64
	Payload []byte
}

// ErrRecord is returned for bytes that are no record of a known version.
var ErrRecord = errors.New("malformed record")

// Get returns the value of the first field of that name, or the empty string.
func (r Record) Get(name FieldName) string {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value
		}
	}
	return ""
}

// Kind returns the record's kind.
func (r Record) Kind() Kind { return Kind(r.Get(FieldKind)) }

// Append appends the encoded record to dst: the version byte, then for each field its number, the length of its value as
// an unsigned varint, and the value.
func (r Record) Append(dst []byte) []byte {
	dst = append(dst, r.Version)
	for _, f := range r.Fields {
		dst = appendField(dst, f.Name, f.Value)
	}
	return dst
}

func appendField(dst []byte, name FieldName, value string) []byte {
	dst = append(dst, byte(name))
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// appendSet is appendField for a value that may be absent: an empty one takes no bytes.
func appendSet(dst []byte, name FieldName, value string) []byte {
	if value == "" {
		return dst
	}
	return appendField(dst, name, value)
}

// DecodeRecord decodes what Append wrote. Fields of unknown numbers are kept. The values do not alias payload.
func DecodeRecord(payload []byte) (Record, error) {
	if len(payload) == 0 {
		return Record{}, fmt.Errorf("%w: empty", ErrRecord)
	}
	if payload[0] != RecordVersion {
		return Record{}, fmt.Errorf("%w: version %d is not known here", ErrRecord, payload[0])
	}
	r := Record{Version: payload[0], Fields: make([]Field, 0, 16)}
	text := string(payload[1:])
	for len(text) > 0 {
		name := FieldName(text[0])
		size, n := binary.Uvarint(payload[len(payload)-len(text)+1:])
		if name == 0 || n <= 0 || size > uint64(len(text)-1-n) {
			return Record{}, fmt.Errorf("%w: field %s does not fit", ErrRecord, name)
		}
		r.Fields = append(r.Fields, Field{name, text[1+n : 1+n+int(size)]})
		text = text[1+n+int(size):]
	}
	return r, nil
}

// CutField takes the first field off b, which is what follows a record's version. ok is false for bytes that Append does
// not write: no field, or one that says its length in more bytes than it takes.
func CutField(b []byte) (name FieldName, value, rest []byte, ok bool) {
	if len(b) < 2 || b[0] == 0 {
		return 0, nil, nil, false
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || n > 1 && b[n] == 0 || size > uint64(len(b)-1-n) {
		return 0, nil, nil, false
	}
	end := 1 + n + int(size)
	return FieldName(b[0]), b[1+n : end], b[end:], true
}

// RecordID returns the id of the session or conversion that an encoded record holds, or the empty string.
func RecordID(payload []byte) string {
	if len(payload) == 0 || payload[0] != RecordVersion {
		return ""
	}
	for rest := payload[1:]; len(rest) > 0; {
		name, value, after, ok := CutField(rest)
		if !ok {
			return ""
		}
		if name == FieldID {
			return string(value)
		}
		rest = after
	}
	return ""
}

// AppendLost appends a tombstone: the numbers from … the entry's own cannot be read any more, for that reason.
func AppendLost(dst []byte, from uint64, reason string) []byte {
	dst = append(dst, RecordVersion)
	dst = appendField(dst, FieldKind, string(KindLost))
	dst = appendField(dst, FieldFrom, strconv.FormatUint(from, 10))
	return appendSet(dst, FieldReason, reason)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is the CRC-32C that guards a record from the journal to the ledger. It covers the origin, the number (eight
// bytes, big endian) and the encoded record, so that no entry can stand in for another.
func Checksum(origin string, seq uint64, payload []byte) uint32 {
	crc := ^uint32(0) // the head goes byte by byte: crc32.Update would move it to the heap
	for i := 0; i < len(origin); i++ {
		crc = castagnoli[byte(crc)^origin[i]] ^ crc>>8
	}
	for shift := 56; shift >= 0; shift -= 8 {
		crc = castagnoli[byte(crc)^byte(seq>>shift)] ^ crc>>8
	}
	return crc32.Update(^crc, castagnoli, payload)
}
