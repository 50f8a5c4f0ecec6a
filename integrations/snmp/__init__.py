"""The network over SNMP: transport, device profiles, and what a device's answers mean."""
