"""FL-HMChain: hospitals learn together without giving away a patient's data."""
