package affili

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What browsers may send, in requests per second and in a burst: a person makes a handful, but many may share an address.
const (
	perAddress, addressBurst = 5, 30
	perSite, siteBurst       = 100, 500
)

// maxLimits is how many addresses' buckets are kept, in about 1 MB. Beyond that any of them begins anew: the bucket of the site
// holds all the same.
const maxLimits = 8192

// limits counts the requests of browsers. A node counts for itself.
type limits struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter // by address
	sites   map[string]*rate.Limiter // those that are configured
}

// spend takes a request out of the buckets of its address and its site, and returns for how many seconds the next is not allowed;
// 0 if this one was.
func (l *limits) spend(address, site string, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets == nil {
		l.buckets, l.sites = map[string]*rate.Limiter{}, map[string]*rate.Limiter{}
	}
	network := networkOf(address)
	of := l.buckets[network]
	if of == nil {
		l.makeRoom()
		of = rate.NewLimiter(perAddress, addressBurst)
		l.buckets[network] = of
	}
	if !of.AllowN(now, 1) {
		return wait(of, now)
	}
	if of = l.sites[site]; of == nil {
		of = rate.NewLimiter(perSite, siteBurst)
		l.sites[site] = of
	}
	if !of.AllowN(now, 1) {
		return wait(of, now)
	}
	return 0
}

func wait(of *rate.Limiter, now time.Time) int {
	return max(1, int(math.Ceil((1-of.TokensAt(now))/float64(of.Limit()))))
}

func (l *limits) makeRoom() {
	for address := range l.buckets {
		if len(l.buckets) < maxLimits {
			return
		}
		delete(l.buckets, address)
	}
}

// networkOf is by what an address is counted: of IPv6 the first 64 bits, since whoever has one has all of those.
func networkOf(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return "" // all of those share a bucket
		}
		addr = port.Addr()
	}
	if addr = addr.Unmap(); addr.Is6() {
		prefix, err := addr.WithZone("").Prefix(64)
		if err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
