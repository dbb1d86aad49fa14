package tracker

import (
	"strings"
	"unicode/utf8"
)

// Spreadsheets take a cell for a formula if it begins with one of these, also in full width
// (https://owasp.org/www-community/attacks/CSV_Injection). Some cut spaces and quotes off first.
const (
	formulaStarts = "=+-@\t\r\n＝＋－＠"
	skippedStarts = " \"'`\u00a0\u3000\ufeff"
)

// GuardFormula makes text that strangers may have chosen harmless in a cell of CSV: it puts an apostrophe before what a spreadsheet
// might compute.
func GuardFormula(s string) string {
	first, size := utf8.DecodeRuneInString(strings.TrimLeft(s, skippedStarts))
	if size > 0 && strings.ContainsRune(formulaStarts, first) {
		return "'" + s
	}
	return s
}
