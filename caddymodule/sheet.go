package caddymodule

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// columns are those that a sheet may have: each reads a cell into a row. Cells come without the space around them.
type columns[T any] map[string]func(row *T, cell string) error

// sheet is a CSV file that was read: rows, where each began, and what is wrong with them.
type sheet[T any] struct {
	rows   []T
	lines  []int
	faults []rowFault
}

// rowFault is what is wrong in one row of a sheet.
type rowFault struct {
	Line    int    `json:"line"` // of the file, from 1
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// maxRows bounds how long an import keeps others who write to the ledger waiting, since it is one transaction: about five seconds on
// two cores with SQLite, which is as long as they are ready to wait.
const maxRows = 100_000

// errSheet is what is wrong with a sheet as a whole.
var errSheet = errors.New("reading the CSV")

// readSheet reads a CSV file (RFC 4180, UTF-8) whose first line names its columns. Required columns must be there, those
// that nobody knows must not. An error means that it cannot be read at all; what is wrong with single rows are faults.
func readSheet[T any](r io.Reader, known columns[T], required ...string) (sheet[T], error) {
	var s sheet[T]
	plain := bufio.NewReader(r)
	if mark, _ := plain.Peek(3); string(mark) == "\xef\xbb\xbf" { // spreadsheets put it in front
		plain.Discard(3)
	}
	records := csv.NewReader(plain)
	head, err := readHead(records, known, required)
	if err != nil {
		return s, err
	}
	for {
		cells, err := records.Read()
		if err == io.EOF {
			return s, nil
		}
		if errors.Is(err, csv.ErrFieldCount) {
			s.fault(line(records), "", fmt.Sprintf("it has %d cells, and the first line has %d", len(cells), len(head)))
			continue
		}
		if err != nil {
			return s, sheetError(err)
		}
		if len(s.rows) == maxRows {
			return s, fmt.Errorf("%w: it has more than %d rows; send it in parts", errSheet, maxRows)
		}
		s.add(line(records), head, cells, known)
	}
}

// line is where the record that was read last begins.
func line(records *csv.Reader) int {
	n, _ := records.FieldPos(0)
	return n
}

func sheetError(err error) error {
	var fault *csv.ParseError
	if errors.As(err, &fault) {
		return fmt.Errorf("%w: line %d: %w", errSheet, fault.Line, fault.Err)
	}
	return fmt.Errorf("%w: %w", errSheet, err)
}

func readHead[T any](records *csv.Reader, known columns[T], required []string) ([]string, error) {
	cells, err := records.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("%w: it is empty; its first line names the columns", errSheet)
	}
	if err != nil {
		return nil, sheetError(err)
	}
	var head []string
	for i, name := range cells {
		name = strings.TrimSpace(name)
		if known[name] == nil {
			return nil, fmt.Errorf("%w: line 1: column %d is none of: %s (in small letters, separated by commas)",
				errSheet, i+1, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if slices.Contains(head, name) {
			return nil, fmt.Errorf("%w: line 1: the column %s is there twice", errSheet, name)
		}
		head = append(head, name)
	}
	for _, name := range required {
		if !slices.Contains(head, name) {
			return nil, fmt.Errorf("%w: line 1: the column %s is missing", errSheet, name)
		}
	}
	return head, nil
}

func (s *sheet[T]) add(line int, head, cells []string, known columns[T]) {
	var row T
	for i, cell := range cells {
		err := errNotText
		if utf8.ValidString(cell) && !strings.Contains(cell, "\x00") {
			err = known[head[i]](&row, strings.TrimSpace(cell))
		}
		if err != nil {
			s.fault(line, head[i], err.Error())
		}
	}
	s.rows, s.lines = append(s.rows, row), append(s.lines, line)
}

var errNotText = errors.New("it is not text in UTF-8")

// fault notes what is wrong, as far as it will be told.
func (s *sheet[T]) fault(line int, field, message string) {
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, rowFault{line, field, message})
	}
}
