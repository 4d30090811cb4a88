from typing import Any

class SdModelData:
    sd_model: Any

model_data: SdModelData
