package ledger

import "math"

// wideSum is a sum of amounts that no number of them makes overflow: high × wideUnit + low. What anybody can add to, strangers
// too, is kept in this form: a sum that stops at its end would stop the books as well, and one that turns into a float would
// be wrong for ever. Neither part is carried into the other; each grows by less than wideUnit with an amount, and so has room
// for 9,000,000,000 of them.
type wideSum struct{ high, low int64 }

// wideUnit is also in the migration that made the columns.
const wideUnit = 1_000_000_000

func wide(amount int64) wideSum { return wideSum{amount / wideUnit, amount % wideUnit} }

func (s wideSum) plus(o wideSum) wideSum { return wideSum{s.high + o.high, s.low + o.low} }

func (s wideSum) minus(o wideSum) wideSum { return wideSum{s.high - o.high, s.low - o.low} }

// number is the sum as one number, or the nearest that there is: 9.2 × 10^18.
func (s wideSum) number() int64 {
	high, low := s.high+s.low/wideUnit, s.low%wideUnit
	switch {
	case high > math.MaxInt64/wideUnit-1:
		return math.MaxInt64
	case high < math.MinInt64/wideUnit+1:
		return math.MinInt64
	}
	return high*wideUnit + low
}
