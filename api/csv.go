package api

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// column is a column of a CSV answer.
type column[T any] struct {
	name string
	cell func(*T) any // a string, int64, bool or time
}

// encodeCSV writes a header line and a line for each row (RFC 4180).
func encodeCSV[T any](w io.Writer, rows []T, columns []column[T]) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for i := range rows {
		for j, c := range columns {
			line[j] = cell(c.cell(&rows[i]))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell writes a value. Text, which strangers may have chosen, is guarded; a number of ours is no formula even if it is
// negative.
func cell(v any) string {
	switch v := v.(type) {
	case string:
		return tracker.GuardFormula(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	case *time.Time:
		if v == nil {
			return ""
		}
		return cell(*v)
	}
	panic(fmt.Sprintf("api: a CSV column has values of type %T", v))
}

// number is the cell of a number that something has in the books: empty where there is none, as in JSON.
func number(id int64) any {
	if id == 0 {
		return ""
	}
	return id
}
