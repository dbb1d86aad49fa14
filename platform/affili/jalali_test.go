package affili

import (
	"testing"
	"time"
)

// Known pairs: the seed's document, the calendar's leap years, and days that everybody in Iran knows.
func TestJalali(t *testing.T) {
	for gregorian, want := range map[string]string{
		"2020-04-05": "1399-01-17", // the document's created_at
		"2020-04-29": "1399-02-10", // its updated_at
		"1970-01-01": "1348-10-11",
		"1979-02-11": "1357-11-22",
		"1996-03-19": "1374-12-29",
		"1996-03-20": "1375-01-01",
		"1997-03-20": "1375-12-30", // 1375 was a leap year, five years before the next
		"1997-03-21": "1376-01-01",
		"2000-02-29": "1378-12-10",
		"2000-03-20": "1379-01-01",
		"2001-03-20": "1379-12-30",
		"2005-03-20": "1383-12-30",
		"2009-03-20": "1387-12-30",
		"2013-03-20": "1391-12-30",
		"2016-03-20": "1395-01-01", // 1394 was none
		"2017-03-20": "1395-12-30",
		"2021-03-20": "1399-12-30",
		"2021-03-21": "1400-01-01",
		"2024-03-20": "1403-01-01",
		"2025-03-20": "1403-12-30",
		"2025-03-21": "1404-01-01",
		"2026-03-21": "1405-01-01",
		"2026-09-22": "1405-06-31",
		"2026-09-23": "1405-07-01",
		"2026-11-21": "1405-08-30",
		"2028-03-20": "1407-01-01",
		"2029-03-20": "1408-01-01",
		"2030-03-20": "1408-12-30", // 1407 was none
		"2030-03-21": "1409-01-01",
	} {
		day, err := time.Parse(time.DateOnly, gregorian)
		if err != nil {
			t.Fatal(err)
		}
		if got := Jalali.format(day.Add(12*time.Hour + 46*time.Minute + 38*time.Second)); got != want+" 12:46:38" {
			t.Errorf("%s is %s, want %s", gregorian, got, want)
		}
	}
}

// The day is that of Tehran, whose clocks went forward in summer until 2022.
func TestJalaliOfTehran(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Tehran")
	if err != nil {
		t.Fatal(err)
	}
	for utc, want := range map[string]string{
		"2025-03-20T20:29:59Z": "1403-12-30 23:59:59",
		"2025-03-20T20:30:00Z": "1404-01-01 00:00:00",
		"2020-04-05T08:16:38Z": "1399-01-17 12:46:38", // summer time
		"2025-07-01T08:16:38Z": "1404-04-10 11:46:38", // none any more
	} {
		at, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := Jalali.format(at.In(zone)); got != want {
			t.Errorf("%s is %s, want %s", utc, got, want)
		}
	}
}

// Each day follows the one before, and no month has more days than its kind.
func FuzzJalali(f *testing.F) {
	for _, days := range []int32{0, 20190, -20000, 18706, 100000} {
		f.Add(days)
	}
	f.Fuzz(func(t *testing.T, days int32) {
		days %= 100_000 // the years 1695 to 2243
		at := time.Unix(int64(days)*24*60*60, 0).UTC()
		year, month, day := jalali(at)
		y, m, d := jalali(at.AddDate(0, 0, 1))
		length := 30
		if month <= 6 {
			length = 31
		}
		switch {
		case month < 1 || month > 12 || day < 1 || day > length:
			t.Errorf("%s is %d-%d-%d", at, year, month, day)
		case y == year && m == month && d == day+1:
		case y == year && m == month+1 && d == 1 && (day == length):
		case y == year+1 && m == 1 && d == 1 && month == 12 && day >= 29:
		default:
			t.Errorf("after %d-%d-%d comes %d-%d-%d", year, month, day, y, m, d)
		}
		if year != at.Year()-621 && year != at.Year()-622 {
			t.Errorf("%s is in the year %d", at, year)
		}
	})
}
