package tracker

import (
	"testing"
	"time"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func touchAt(code string, days int) Touch {
	return Touch{Session: SessionID{byte(len(code)), byte(days)}, Code: code, Time: testTime.AddDate(0, 0, days)}
}

// tenDays is a window of 10 days for every code but "long", which has 100.
func tenDays(code string) time.Duration {
	if code == "long" {
		return 100 * 24 * time.Hour
	}
	return 10 * 24 * time.Hour
}

func TestTokenAdd(t *testing.T) {
	tests := []struct {
		name        string
		touches     []Touch // added one after the other, each at its time
		first, last Touch
	}{
		{"one", []Touch{touchAt("a", 0)}, touchAt("a", 0), touchAt("a", 0)},
		{"two", []Touch{touchAt("a", 0), touchAt("b", 1)}, touchAt("a", 0), touchAt("b", 1)},
		{"three keep the first and the last", []Touch{touchAt("a", 0), touchAt("b", 1), touchAt("c", 2)}, touchAt("a", 0), touchAt("c", 2)},
		{"the last moves up where the first is too old", []Touch{touchAt("a", 0), touchAt("b", 8), touchAt("c", 11)}, touchAt("b", 8), touchAt("c", 11)},
		{"all are too old", []Touch{touchAt("a", 0), touchAt("b", 1), touchAt("c", 20)}, touchAt("c", 20), touchAt("c", 20)},
		{"the edge of the window", []Touch{touchAt("a", 0), touchAt("b", 10)}, touchAt("a", 0), touchAt("b", 10)},
		{"each code has its window", []Touch{touchAt("long", 0), touchAt("b", 1), touchAt("c", 50)}, touchAt("long", 0), touchAt("c", 50)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token := Token{Network: "default", Visitor: VisitorID{9}, Flags: 3}
			for _, touch := range test.touches {
				token = token.Add(touch, touch.Time, tenDays)
			}
			if want := (Token{"default", VisitorID{9}, test.first, test.last, 3}); token != want {
				t.Errorf("token is %+v, want %+v", token, want)
			}
		})
	}
}

func TestTokenPrune(t *testing.T) {
	a, b, long := touchAt("a", 0), touchAt("b", 5), touchAt("long", 0)
	tests := []struct {
		name              string
		first, last       Touch
		days              int
		wantFirst, wantEd Touch
		changed           bool
	}{
		{"nothing there", Touch{}, Touch{}, 0, Touch{}, Touch{}, false},
		{"nothing is old", a, b, 9, a, b, false},
		{"the first is old", a, b, 12, b, b, true},
		{"the last is old", long, b, 50, long, long, true},
		{"both are old", a, b, 50, Touch{}, Touch{}, true},
		{"the only one is old", a, a, 11, Touch{}, Touch{}, true},
		{"the clock went back", b, b, -400, b, b, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, changed := Token{First: test.first, Last: test.last}.Prune(testTime.AddDate(0, 0, test.days), tenDays)
			if want := (Token{First: test.wantFirst, Last: test.wantEd}); got != want || changed != test.changed {
				t.Errorf("pruned to %+v, %t", got, changed)
			}
		})
	}
}

// A clock that was ahead leaves touches of the future. The next click takes their place.
func TestTokenAddReplacesTheFuture(t *testing.T) {
	past, future, further := touchAt("a", -1), touchAt("b", 5), touchAt("c", 6)
	near := Touch{Session: SessionID{1}, Code: "near", Time: testTime.Add(clockSkew)}
	now := touchAt("now", 0)
	for _, test := range []struct {
		name         string
		before, want Token
	}{
		{name: "the only one", before: Token{First: future, Last: future}, want: Token{First: now, Last: now}},
		{name: "both", before: Token{First: future, Last: further}, want: Token{First: now, Last: now}},
		{name: "the last", before: Token{First: past, Last: future}, want: Token{First: past, Last: now}},
		{name: "the first", before: Token{First: future, Last: past}, want: Token{First: past, Last: now}},
		{name: "clocks that differ", before: Token{First: near, Last: near}, want: Token{First: near, Last: now}},
	} {
		if got := test.before.Add(now, testTime, tenDays); got != test.want {
			t.Errorf("%s: the token is %+v", test.name, got)
		}
	}
	if future.InFuture(testTime.AddDate(0, 0, 5)) || near.InFuture(testTime) || !future.InFuture(testTime) {
		t.Error("InFuture is wrong")
	}
}

func TestWindowDefaultsAndLimit(t *testing.T) {
	token := Token{First: touchAt("a", 0), Last: touchAt("a", 0)}
	for _, test := range []struct {
		window time.Duration
		days   int
		kept   bool
	}{
		{0, 30, true}, {0, 31, false},
		{1000 * 24 * time.Hour, 400, true}, {1000 * 24 * time.Hour, 401, false},
	} {
		_, changed := token.Prune(testTime.AddDate(0, 0, test.days), func(string) time.Duration { return test.window })
		if changed == test.kept {
			t.Errorf("window %s after %d days: kept is %t", test.window, test.days, !changed)
		}
	}
}
