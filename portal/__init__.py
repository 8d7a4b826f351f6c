"""The reference gateway: the patient's pages and the staff's in basket, over topics and HTTP like any other."""
