package affili

import (
	"fmt"
	"time"
	_ "time/tzdata" // Asia/Tehran exists also where the system has no zones
)

// Calendar says by which calendar times in answers are written.
type Calendar string

// The calendars. The platform's own documents show Jalali in answers, and Gregorian in filters.
const (
	Jalali    Calendar = "jalali" // the default
	Gregorian Calendar = "gregorian"
)

// Calendars are all of them.
var Calendars = []Calendar{Jalali, Gregorian}

// format writes a time of its zone as the platform does, 1399-01-17 12:46:38.
func (c Calendar) format(t time.Time) string {
	if c == Gregorian {
		return t.Format(time.DateTime)
	}
	year, month, day := jalali(t)
	return fmt.Sprintf("%04d-%02d-%02d %s", year, month, day, t.Format(time.TimeOnly))
}

const (
	daysToEpoch   = 1075195 // from the day before 1 Farvardin of the year -1595, on which a cycle begins, to 1 January 1970
	daysOf33Years = 33*365 + 8
	daysOf4Years  = 4*365 + 1
)

// jalali returns the date of t in the solar calendar of Iran. Of each 33 years eight are leap years; that is the official
// calendar from 1178 to 1633 (AD 1799 to 2254).
func jalali(t time.Time) (year, month, day int) {
	_, offset := t.Zone()
	days := int(floorDiv(t.Unix()+int64(offset), 24*60*60)) + daysToEpoch
	year = -1595 + 33*(days/daysOf33Years)
	days %= daysOf33Years
	year += 4 * (days / daysOf4Years)
	days %= daysOf4Years
	if days > 365 { // the first year of four is the leap year
		year += (days - 1) / 365
		days = (days - 1) % 365
	}
	const halfYear = 6 * 31 // six months of 31 days, then months of 30
	if days < halfYear {
		return year, 1 + days/31, 1 + days%31
	}
	return year, 7 + (days-halfYear)/30, 1 + (days-halfYear)%30
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
