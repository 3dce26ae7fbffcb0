package pictures

import "container/list"

// An lru keeps what was used last, up to a limit of costs. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	limit, used int64
	order       *list.List // of lruItem[K, V], last used first
	items       map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func newLRU[K comparable, V any](limit int64) lru[K, V] {
	return lru[K, V]{limit: limit, order: list.New(), items: make(map[K]*list.Element)}
}

func (l *lru[K, V]) get(key K) (value V, ok bool) {
	e, ok := l.items[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(e)
	return e.Value.(lruItem[K, V]).value, true
}

// add keeps value, and drops what was not used for longest until it fits. What is larger than the limit is not kept.
func (l *lru[K, V]) add(key K, value V, cost int64) {
	if e, ok := l.items[key]; ok {
		l.drop(e)
	}
	if cost > l.limit {
		return
	}
	for l.used+cost > l.limit {
		l.drop(l.order.Back())
	}
	l.items[key] = l.order.PushFront(lruItem[K, V]{key, value, cost})
	l.used += cost
}

func (l *lru[K, V]) drop(e *list.Element) {
	item := l.order.Remove(e).(lruItem[K, V])
	delete(l.items, item.key)
	l.used -= item.cost
}
