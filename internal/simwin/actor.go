package simwin

// An actor is somebody at work on a workstation: what he does is held to the descriptors of keys and files by his token. A Machine is
// itself the actor that its administrators' processes are.
type actor struct {
	m     *Machine
	who   token
	count *Counters // what he did; under the machine's mutex
}
