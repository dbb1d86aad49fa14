package tracker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// VisitorHash is what is kept of a visitor who was erased, in 64 hexadecimal digits: it tells no more than that they are not
// to be known.
func VisitorHash(network string, visitor VisitorID) string {
	sum := sha256.Sum256(append([]byte(network+"\x00"), visitor[:]...))
	return hex.EncodeToString(sum[:])
}

// tellsOfVisitor are the fields that EraseRecord takes. The touches of a conversion stay: they name clicks, which are blank
// then, and the affiliate whom it earns for.
var tellsOfVisitor = [256]bool{
	FieldVisitor: true, FieldIP: true, FieldUserAgent: true, FieldQuery: true, FieldReferrer: true,
	FieldCustomer: true, FieldCustomerBrand: true, FieldLeadName: true, FieldMetaData: true,
}

// EraseRecord takes what tells of the visitor out of an encoded record, in place: each such field becomes a FieldErased of
// the same length, which nobody reads, so the record keeps its size. It reports whether there was any.
func EraseRecord(payload []byte) (erased bool) {
	if len(payload) == 0 || payload[0] != RecordVersion {
		return false
	}
	for rest := payload[1:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return erased // what follows is no field, and nobody decodes the record
		}
		value := rest[1+n : 1+n+int(size)]
		if tellsOfVisitor[rest[0]] {
			rest[0], erased = byte(FieldErased), true
			for i := range value {
				value[i] = '-'
			}
		}
		rest = rest[1+n+int(size):]
	}
	return erased
}
