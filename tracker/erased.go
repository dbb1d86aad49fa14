package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// VisitorHash is what is kept of a visitor who was erased, in 64 hexadecimal digits: it tells no more than that they are not
// to be known.
func VisitorHash(network string, visitor VisitorID) string {
	sum := sha256.Sum256(append([]byte(network+"\x00"), visitor[:]...))
	return hex.EncodeToString(sum[:])
}

// CustomerHash is what is kept of a customer who was erased, in 64 hexadecimal digits. It is keyed by the ledger's id, since
// merchants number their customers, and few numbers are soon tried out.
func CustomerHash(ledger, network, externalID, brand string) string {
	h := hmac.New(sha256.New, []byte(ledger))
	for _, text := range []string{network, brand, externalID} {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ErasedHashes returns the network of an encoded record, and by what the person whom it names would be known if they had been
// erased: the hash of the visitor, that of the customer, both or none. It returns ErrRecord for what is no record.
func ErasedHashes(ledger string, payload []byte) (network string, hashes []string, err error) {
	record, err := DecodeRecord(payload)
	if err != nil {
		return "", nil, err
	}
	network = record.Get(FieldNetwork)
	if visitor, err := ParseVisitorID(record.Get(FieldVisitor)); err == nil {
		hashes = append(hashes, VisitorHash(network, visitor))
	}
	if customer := record.Get(FieldCustomer); customer != "" {
		hashes = append(hashes, CustomerHash(ledger, network, customer, record.Get(FieldCustomerBrand)))
	}
	return network, hashes, nil
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
