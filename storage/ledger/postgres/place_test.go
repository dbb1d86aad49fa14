package postgres

import (
	"strings"
	"testing"
)

// TestPlaceShowsNoLogin has strings as operators write them, and such as they write by mistake: with a password that would have
// to be escaped.
func TestPlaceShowsNoLogin(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://shop:s3cret@db.example.com:5433/books?sslmode=disable":          "db.example.com/books",
		"postgres://shop:s3cret@one:1,two:2/books?application_name=s3cret":          "one,two/books",
		"host=db.example.com user=shop password='s3cret @ /' dbname=books":          "db.example.com/books",
		"host=/var/run/postgresql dbname=books sslmode=disable":                     "/var/run/postgresql/books",
		"postgres://[::1]/books?sslmode=disable":                                    "::1/books",
		"postgres://db.example.com/books?sslmode=disable&user=shop&password=s3cret": "db.example.com/books",
		"postgres://shop:12/s3cret@db.example.com/books":                            "",
		"postgres://shop:12?s3cret@db.example.com/books":                            "",
		"postgres://shop:12#s3cret@db.example.com/books":                            "",
		"postgres://shop:12@s3cret#3@db.example.com/books":                          "",
		"postgres://db.example.com/books?password=s3cret@":                          "",
		"host=db.example.com dbname='books?password=s3cret'":                        "",
		"postgres://shop:s3cret@db.example.com:port/books":                          "",
	} {
		got := Place(dsn)
		if got != want || strings.Contains(got, "s3cret") || strings.Contains(got, "shop") {
			t.Errorf("of %s it shows %q, want %q", dsn, got, want)
		}
	}
}
