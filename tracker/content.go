package tracker

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"maps"
	"slices"
	"strconv"
)

// content hashes what a report says, one field after the other, each with its length before it, so that no two reports run
// together to the same bytes. Hashes are kept for ever: what is hashed here, and how, never changes.
type content struct{ hash.Hash }

// newContent begins with what the content is of, and the version of how it is hashed.
func newContent(kind string) content {
	c := content{sha256.New()}
	c.text(kind)
	return c
}

func (c content) text(fields ...string) {
	var length [8]byte
	for _, field := range fields {
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		c.Write(length[:])
		c.Write([]byte(field))
	}
}

func (c content) number(fields ...int64) {
	for _, field := range fields {
		c.text(strconv.FormatInt(field, 10))
	}
}

func (c content) flag(fields ...bool) {
	for _, field := range fields {
		c.text(strconv.FormatBool(field))
	}
}

func (c content) hex() string { return hex.EncodeToString(c.Sum(nil)) }

// ContentHash returns the SHA-256, in hexadecimal digits, of what a checked report says: type, amount, currency, parts,
// coupon, name, customer and meta data. Evidence, times, status and who reports it are not content: a repeat may differ
// in them.
func (n *NewConversion) ContentHash() string {
	c := newContent("conversion 1")
	c.text(string(n.Type))
	c.number(n.Amount)
	c.text(n.Currency)
	c.number(int64(len(n.Commissions)))
	for _, part := range n.Commissions {
		c.text(part.Name)
		c.number(part.SubAmount)
	}
	c.text(n.Coupon, n.Name, n.Evidence.CustomerExternalID, n.Evidence.CustomerBrand)
	c.json(n.MetaData)
	return c.hex()
}

// ContentHash returns the SHA-256, in hexadecimal digits, of what a checked refund says: of which conversion, how much, why.
func (n *NewRefund) ContentHash() string {
	c := newContent("refund 1")
	c.text(string(n.ConversionType), n.ConversionExternalID)
	c.number(n.Amount)
	c.text(n.Currency, n.Note)
	return c.hex()
}

// ContentHash returns the SHA-256, in hexadecimal digits, of what a checked report says of a customer, without evidence and
// times.
func (n *NewCustomer) ContentHash() string {
	c := newContent("customer 1")
	c.text(n.Username, n.Country, n.CountryCode)
	c.flag(n.RevShareExcluded, n.CPAExcluded)
	c.text(n.Category, n.Label, n.Note)
	return c.hex()
}

// ContentHash returns the SHA-256, in hexadecimal digits, of what a checked transaction says, without its time.
func (n *NewTransaction) ContentHash() string {
	c := newContent("transaction 1")
	c.text(n.CustomerExternalID, n.CustomerBrand, n.Type, n.Currency)
	c.number(n.Deposit, n.GrossRevenue, n.Wagered, n.RevShareCommission, n.CPACommission, n.FixedCommission)
	c.text(n.Product, n.Category, n.Label, n.Note)
	if n.Country != "" || n.CountryCode != "" { // which came to transactions later: without them nothing changes
		c.text(n.Country, n.CountryCode)
	}
	return c.hex()
}

// json hashes a JSON value by what it says, so that all spellings of it are the same: keys are sorted, and neither white
// space nor escapes count. Numbers count as they were written. What is no JSON counts byte by byte.
func (c content) json(data []byte) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		c.text("bytes", string(data))
		return
	}
	c.value(value)
}

func (c content) value(value any) {
	switch v := value.(type) {
	case nil:
		c.text("null")
	case bool:
		c.text("bool")
		c.flag(v)
	case json.Number:
		c.text("number", v.String())
	case string:
		c.text("string", v)
	case []any:
		c.text("array")
		c.number(int64(len(v)))
		for _, element := range v {
			c.value(element)
		}
	case map[string]any:
		c.text("object")
		c.number(int64(len(v)))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			c.text(key)
			c.value(v[key])
		}
	}
}
