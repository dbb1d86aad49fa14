package tracker

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsKeptOfAnAddress(t *testing.T) {
	s, err := NewSealer([]string{"0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct{ ip, truncated, like string }{ // like: another shape of the same address
		{"203.0.113.77", "203.0.113.0", ""},
		{"203.0.113.0", "203.0.113.0", ""},
		{"0.0.0.0", "0.0.0.0", ""},
		{"255.255.255.255", "255.255.255.0", ""},
		{"127.0.0.1", "127.0.0.0", ""},
		{"10.1.2.3", "10.1.2.0", ""},
		{"203.0.113.77:8080", "203.0.113.0", "203.0.113.77"},
		{"::ffff:203.0.113.77", "203.0.113.0", "203.0.113.77"},
		{"::FFFF:cb00:714d", "203.0.113.0", "203.0.113.77"},
		{"[::ffff:203.0.113.77]:443", "203.0.113.0", "203.0.113.77"},
		{"0:0:0:0:0:ffff:203.0.113.77", "203.0.113.0", "203.0.113.77"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1::", ""},
		{"2001:0DB8:0001:0002:0003:0004:0005:0006", "2001:db8:1::", "2001:db8:1:2:3:4:5:6"},
		{"[2001:db8:1:2:3:4:5:6]", "2001:db8:1::", "2001:db8:1:2:3:4:5:6"},
		{"[2001:db8:1:2:3:4:5:6]:65535", "2001:db8:1::", "2001:db8:1:2:3:4:5:6"},
		{"2001:db8::", "2001:db8::", ""},
		{"2001:db8:ffff:ffff::1", "2001:db8:ffff::", ""},
		{"::1", "::", ""},
		{"::", "::", ""},
		{"fe80::1%eth0", "fe80::", "fe80::1"},
		{"[fe80::1%eth0]:80", "fe80::", "fe80::1"},
		{"fe80::1%a b<script>", "fe80::", "fe80::1"},
		{"64:ff9b::203.0.113.77", "64:ff9b::", ""},
		{"", "", ""},
		{"unknown", "", ""},
		{"203.0.113", "", ""},
		{"203.0.113.256", "", ""},
		{"203.0.113.077", "", ""}, // octal to some
		{"203.0.113.77, 198.51.100.1", "", ""},
		{" 203.0.113.77", "", ""},
		{"203.0.113.77/24", "", ""},
		{"[203.0.113.77", "", ""},
		{"2001:db8:::1", "", ""},
		{"@", "", ""},
		{"203.0.113.77\x00", "", ""},
	} {
		if got := TruncateIP(test.ip); got != test.truncated {
			t.Errorf("%q is truncated to %q, want %q", test.ip, got, test.truncated)
		}
		hash := s.HashIP("default", test.ip, noon)
		if test.truncated == "" {
			if hash != "" {
				t.Errorf("%q, which is no address, has the hash %s", test.ip, hash)
			}
			continue
		}
		if len(hash) != 34 || !strings.HasPrefix(hash, "h:") || strings.Trim(hash[2:], "0123456789abcdef") != "" {
			t.Errorf("%q has the hash %q", test.ip, hash)
		}
		if test.like != "" && hash != s.HashIP("default", test.like, noon) {
			t.Errorf("%q and %q are told apart", test.ip, test.like)
		}
	}
}

func TestTheHashOfAnAddressIsOfOneDay(t *testing.T) {
	const ip = "203.0.113.77"
	secret, other := strings.Repeat("a", 32), strings.Repeat("b", 32)
	sealer := func(secrets ...string) *Sealer {
		s, err := NewSealer(secrets)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	hash := sealer(secret).HashIP("default", ip, day)
	late := day.Add(24*time.Hour - time.Millisecond).In(time.FixedZone("", 14*3600))
	if again := sealer(secret, other).HashIP("default", ip, late); again != hash {
		t.Errorf("late on the same day it is %s, was %s", again, hash)
	}
	for name, another := range map[string]string{
		"the next day":    sealer(secret).HashIP("default", ip, day.Add(24*time.Hour)),
		"another secret":  sealer(other, secret).HashIP("default", ip, day),
		"another network": sealer(secret).HashIP("acme", ip, day),
		"a neighbour":     sealer(secret).HashIP("default", "203.0.113.78", day),
	} {
		if another == hash || another == "" {
			t.Errorf("%s has the hash %q as well", name, another)
		}
	}
}

func FuzzTruncateIP(f *testing.F) {
	for _, seed := range []string{"203.0.113.77", "[fe80::1%eth0]:80", "::ffff:1.2.3.4", "%", "[]:", "1.2.3.4:99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ip string) {
		kept := TruncateIP(ip)
		if kept != "" && TruncateIP(kept) != kept {
			t.Errorf("%q of %q is truncated further", kept, ip)
		}
		if strings.Trim(kept, "0123456789abcdef:.") != "" {
			t.Errorf("%q of %q", kept, ip)
		}
	})
}
